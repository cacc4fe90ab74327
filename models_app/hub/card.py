"""A repository's README as the text of its model card: without what stands there for the hub's own pages.

Raw HTML, comments, images and the YAML in front go; what is left is Markdown for `rendering`, which lets
nothing through that could act.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from django.utils.safestring import SafeString

from models_app.hub.client import Hub
from models_app.hub.files import beginning_of
from models_app.hub.repository import Repository
from rendering import render_markdown

MAX_BYTES = 128 * 1024
FILE = "README.md"

FENCE = re.compile(r" {0,3}(```|~~~)")
# Of HTML, not what a text may have in such brackets: <think> is a word of many cards.
TAG = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|br|center|code|dd|del|details|div|dl|dt|em|embed|figure|figcaption|font|"
    r"form|h[1-6]|hr|i|iframe|img|input|ins|kbd|li|link|mark|meta|object|ol|p|picture|pre|s|small|source|span|"
    r"strike|strong|style|script|sub|summary|sup|svg|table|tbody|td|tfoot|th|thead|tr|tt|u|ul|video)"
    r"(?:\s[^<>]{0,4000})?/?>",
    re.IGNORECASE,
)
IMAGE = re.compile(r"!\[[^\]\n]{0,300}\]\([^)\n]{0,1000}\)")
GONE = "\x00"
LINK_OF_NOTHING = re.compile(r"\[[\s\x00]*\x00[\s\x00]*\]\([^)\n]{0,1000}\)")


@dataclass(frozen=True)
class Card:
    """`is_cut`: there is more of it at the hub."""

    html: SafeString
    is_cut: bool


def has_card(repository: Repository) -> bool:
    return any(file.name == FILE for file in repository.files)


def card_of(source: Hub, repository: Repository) -> Card:
    """Raises HubError."""
    url = source.address(repository.name, repository.revision, FILE)
    with closing(beginning_of(source, url, most=MAX_BYTES + 1)) as pieces:
        content = b"".join(pieces)
    text = content[:MAX_BYTES].decode("utf-8", errors="replace")
    return Card(render_markdown(plain_markdown(text)), is_cut=len(content) > MAX_BYTES)


def plain_markdown(readme: str) -> str:
    """Any text will do."""
    text = readme.replace("\r\n", "\n").replace(GONE, "")
    parts = _parts(_without_front_matter(text))
    return "\n".join(part if is_code else _plain(part) for part, is_code in parts)


def _without_front_matter(text: str) -> str:
    if not text.startswith("---\n"):
        return text
    _, mark, rest = text[4:].partition("\n---")
    return rest.partition("\n")[2] if mark else text


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The text between blocks of code, and these with their fences."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = FENCE.match(line)
        if mark and not fence:
            yield "\n".join(lines), False
            lines, fence = [line], mark[1]
        elif mark and mark[1] == fence:
            yield "\n".join([*lines, line]), True
            lines, fence = [], ""
        else:
            lines.append(line)
    yield "\n".join(lines), bool(fence)


def _plain(text: str) -> str:
    for start, end in (("<!--", "-->"), ("<style", "</style>"), ("<script", "</script>")):
        text = _without(text, start, end)
    text = IMAGE.sub(GONE, TAG.sub(GONE, text))
    text = LINK_OF_NOTHING.sub(GONE, text)
    return "\n".join(_tidied(line) for line in text.split("\n"))


def _tidied(line: str) -> str:
    """What stood inside of HTML is indented, which would make it a block of code."""
    return line.replace(GONE, " ").strip() if GONE in line else line


def _without(text: str, start: str, end: str) -> str:
    """All from each `start` to the `end` after it; where that is missing, the text stays."""
    kept: list[str] = []
    at = 0
    while (begin := text.find(start, at)) >= 0 and (stop := text.find(end, begin)) >= 0:
        kept.append(text[at:begin])
        at = stop + len(end)
    return "".join([*kept, text[at:]])
