"""Where a link may lead, and what is shown of it: the host is always visible.

Only absolute http, https and mailto addresses without credentials become links, and the few pages
of Minerva's own that the built-in guide points to; everything else stays the text that it was.
Images never load: they become links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# Pages to look at: opening one changes nothing, whichever model wrote the link.
OWN_PAGES = frozenset(
    {
        "/models/",
        "/models/discover/",
        "/models/downloads/",
        "/models/servers/",
        "/people/",
        "/profile/",
        "/sharing/",
        "/usage/",
        "/account/keys/",
    }
)
# The sanitiser refuses relative addresses, so these pass it under a host that cannot exist.
OWN_HOST = "https://minerva.invalid"

_BARE_ADDRESS = re.compile(r"(?<![\w/@.:-])https?://[^\s<>\"`\\^{}|]{1,2000}")
_TRAILING = "?!.,:;*_~'"
_PAIRS = {")": "(", "]": "["}


def is_allowed(address: str) -> bool:
    """For `MarkdownIt.validateLink`: gets the address percent-encoded already."""
    return address in OWN_PAGES or host_of(address) is not None


def href_of(address: str) -> str:
    """For the sanitiser."""
    return OWN_HOST + address if address in OWN_PAGES else address


def host_of(address: str) -> str | None:
    """The host (or the mail address) that `address` leads to, None if it must not be a link."""
    parts = _split(address)
    if parts is None:
        return None
    if parts.scheme == "mailto":
        return parts.path if re.fullmatch(r"[^@\s]+@[^@\s]+", parts.path) else None
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or "%" in parts.netloc:
        return None
    return parts.netloc if parts.hostname else None


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    return parts


def link_rule(state: StateCore) -> None:
    """Core rule after `inline`: finds bare addresses, then notes what to show of each link."""
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = list(_with_bare_links(state, token.children))
            _note_hosts(token.children)


def _with_bare_links(state: StateCore, children: list[Token]) -> Iterator[Token]:
    depth = 0
    for child in children:
        depth += child.nesting if child.type in {"link_open", "link_close"} else 0
        if child.type == "text" and depth == 0 and "://" in child.content:
            yield from _linkified(state, child)
        else:
            yield child


def _linkified(state: StateCore, token: Token) -> Iterator[Token]:
    """`token` cut at the bare addresses in it."""
    position = 0
    for match in _BARE_ADDRESS.finditer(token.content):
        shown = _without_trailing(match[0])
        address = state.md.normalizeLink(shown)
        if not is_allowed(address):
            continue
        yield _text(token.content[position : match.start()], token.level)
        yield Token("link_open", "a", 1, attrs={"href": address}, level=token.level)
        yield _text(shown, token.level + 1)
        yield Token("link_close", "a", -1, level=token.level)
        position = match.start() + len(shown)
    yield _text(token.content[position:], token.level)


def _text(content: str, level: int) -> Token:
    return Token("text", "", 0, content=content, level=level)


def _without_trailing(address: str) -> str:
    """Punctuation that ends the sentence, not the address; brackets stay while they pair up."""
    while address:
        last = address[-1]
        unpaired = last in _PAIRS and address.count(last) > address.count(_PAIRS[last])
        if last not in _TRAILING and not unpaired:
            break
        address = address[:-1]
    return address


def _note_hosts(children: list[Token]) -> None:
    """Puts the host into the meta of `link_close` where the text does not show it already.

    Anchors must not nest in HTML: of a link inside a link only the text is kept.
    """
    opened: Token | None = None
    shown: list[str] = []
    depth = 0
    for child in children:
        if child.type == "link_open":
            depth += 1
            child.hidden = depth > 1
            opened, shown = (child, []) if depth == 1 else (opened, shown)
        elif child.type == "link_close":
            child.hidden = depth > 1
            depth -= 1
            if depth == 0 and opened is not None:
                child.meta["host"] = _host_to_show(str(opened.attrGet("href")), "".join(shown))
        elif child.type == "image":
            child.meta["linked"] = depth > 0
        if depth:
            shown.append(child.content)


def _host_to_show(address: str, text: str) -> str:
    host = host_of(address) or ""
    plain = {address, address.removesuffix("/"), host}
    plain |= {address.partition("//")[2], address.partition("//")[2].removesuffix("/")}
    return "" if text.strip() in plain else host
