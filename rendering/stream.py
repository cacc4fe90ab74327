"""A text that is still being written, rendered block by block."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.safestring import SafeString

from rendering.blocks import BlockSplitter
from rendering.document import Document
from rendering.pace import Pace
from rendering.sanitise import joined
from rendering.source import SourceCleaner

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

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = Pace(clock)
        self._cleaner = SourceCleaner()
        self._splitter = BlockSplitter()
        self._document = Document()
        self._tail = joined(())
        self._changed = False

    def feed(self, delta: str) -> None:
        self._splitter.feed(self._cleaner.feed(delta))
        self._changed = True

    @property
    def behind(self) -> bool:
        """Something was fed that no take has shown yet: take again at a later tick."""
        return self._changed

    def take(self) -> Rendered:
        """Cheap if nothing was fed since the last call, and while a long block keeps its pace."""
        if not self._changed or not self._pace.is_due(self._splitter.open_length):
            return Rendered((), self._tail)
        with self._pace.spending() as sent:
            blocks = self._rendered(self._splitter.take_final())
            self._tail = self._document.preview(self._shown_tail())
            sent(len(self._tail))
        self._changed = False
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
