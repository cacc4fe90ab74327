"""What a browser would make of rendered HTML, held against a list written for the tests alone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

FURNITURE = {"button", "svg", "rect", "path"}
TEXT = {"p", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "pre", "code", "a", "br", "hr"}
TEXT |= {"em", "strong", "s", "table", "thead", "tbody", "tr", "th", "td", "div", "span"}
MATHS = re.compile(
    r"m(?:ath|i|n|o|s|text|row|frac|sqrt|root|space|style|padded|phantom|enclose|"
    r"sub|sup|subsup|under|over|underover|table|tr|td)"
)
VOID = {"br", "hr"}
ATTRIBUTES = {
    *("class", "dir", "href", "target", "rel", "start", "align", "tabindex", "role", "aria-label"),
    *("title", "type", "aria-hidden", "viewbox", "width", "height", "fill", "stroke"),
    *("stroke-width", "x", "y", "rx", "d", "display", "displaystyle", "scriptlevel", "stretchy"),
    *("fence", "form", "accent", "accentunder", "largeop", "movablelimits", "mathvariant"),
    *("linethickness", "columnalign", "notation", "minsize", "maxsize", "symmetric", "separator"),
}


class PageElements(HTMLParser):
    """Raises AssertionError at the first thing that must not be on a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TEXT | FURNITURE or MATHS.fullmatch(tag), tag
        assert tag not in FURNITURE - {"button"} or self.open[-1] in {"button", "svg"}, tag
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self._check(tag, name, value or "")

    def _check(self, tag: str, name: str, value: str) -> None:
        assert name in ATTRIBUTES, (tag, name)
        if name == "href":
            assert tag == "a"
            assert urlsplit(value).scheme in {"http", "https", "mailto"}, value
            self.addresses.append(value)
        if name in {"title", "type", "role", "tabindex"}:
            assert value in {"Copy code", "button", "img", "group", "0"}, value
        if tag == "a" and name == "rel":
            assert value == "noopener noreferrer nofollow ugc"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("a declaration")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("a processing instruction")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError("a section of SGML")
