"""A text that is still being written, rendered block by block."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.safestring import SafeString

from chat.rendering.blocks import BlockSplitter
from chat.rendering.document import Document
from chat.rendering.sanitise import joined
from chat.rendering.source import SourceCleaner

# A last line of marks alone can still become anything (a list, a rule, the line under a heading);
# it is shown with the next character.
_UNDECIDED_LINE = re.compile(r"(?:^|\n)[ \t]*[-=*+_#>`~|$:\\]+[ \t]*\Z")


@dataclass(frozen=True)
class Rendered:
    """`blocks` became final since the last take; `tail` is the whole open rest as it looks now."""

    blocks: tuple[SafeString, ...]
    tail: SafeString


class StreamRenderer:
    """Belongs to one reader of one text; not for use from two threads at once.

    All blocks of all takes and of `finish()` together are `render_markdown(text)`.
    """

    def __init__(self) -> None:
        self._cleaner = SourceCleaner()
        self._splitter = BlockSplitter()
        self._document = Document()
        self._tail = joined(())
        self._changed = False

    def feed(self, delta: str) -> None:
        self._splitter.feed(self._cleaner.feed(delta))
        self._changed = True

    def take(self) -> Rendered:
        """Cheap if nothing was fed since the last call."""
        if not self._changed:
            return Rendered((), self._tail)
        self._changed = False
        blocks = self._rendered(self._splitter.take_final())
        self._tail = self._document.preview(self._shown_tail())
        return Rendered(blocks, self._tail)

    def finish(self) -> Rendered:
        """The text has ended: what was open is final now."""
        self._splitter.feed(self._cleaner.finish())
        self._changed = False
        self._tail = joined(())
        return Rendered(self._rendered(self._splitter.finish()), self._tail)

    def _rendered(self, sources: Iterable[str]) -> tuple[SafeString, ...]:
        return tuple(filter(None, map(self._document.render, sources)))

    def _shown_tail(self) -> str:
        text = self._splitter.open_text
        return text if self._splitter.in_fence else _UNDECIDED_LINE.sub("", text)


def render_markdown(text: str) -> SafeString:
    """HTML of the whole `text`; any text will do. No page needs to escape or check it again."""
    renderer = StreamRenderer()
    renderer.feed(text)
    return joined(renderer.finish().blocks)
