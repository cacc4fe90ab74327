"""From token bytes to text that may be shown: whole characters only, up to a stop sequence.

A token may end inside a UTF-8 character, and a stop sequence may begin in one token and end in a
later one. Both are held back until it is clear what they are.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class Detokenizer:
    """`feed` bytes of tokens, get text. Bytes that are no UTF-8 become U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, piece: bytes) -> str:
        return self._decoder.decode(piece)

    def finish(self) -> str:
        """The end of the text: a character that was never completed becomes one U+FFFD."""
        return self._decoder.decode(b"", final=True)


class StopMatcher:
    """Cuts a text at the stop sequence that is complete first, however the text is cut into pieces.

    `feed` gives what is safe to show: all but the longest ending that could still become a stop
    sequence. After a match `matched` is it, and nothing more comes out.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(stop)
        self._held = ""
        self.matched = ""

    def feed(self, text: str) -> str:
        if self.matched:
            return ""
        if not self._stop:
            return text
        self._held += text
        found = self._first_match()
        if found is not None:
            start, self.matched = found
            return self._release(start)
        return self._release(len(self._held) - self._num_undecided())

    def finish(self) -> str:
        """The end of the text: what was held back was no stop sequence after all."""
        return "" if self.matched else self._release(len(self._held))

    def _release(self, end: int) -> str:
        safe, self._held = self._held[:end], self._held[end:]
        return safe

    def _first_match(self) -> tuple[int, str] | None:
        """Where it begins and what it is; the one that ends first wins, so that pieces don't matter."""
        found = ((self._held.find(stop), stop) for stop in self._stop)
        ends = [(start + len(stop), start, stop) for start, stop in found if start >= 0]
        return min(ends)[1:] if ends else None

    def _num_undecided(self) -> int:
        longest = max(map(len, self._stop)) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            ending = self._held[-size:]
            if any(stop.startswith(ending) for stop in self._stop):
                return size
        return 0
