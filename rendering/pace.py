"""How often a long open block is rendered again: seldom enough to stay cheap."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHEAP_LENGTH = 8 * 1024
_SHARE_OF_TIME = 1 / 20
_CHARACTERS_PER_SECOND = 256 * 1024


class Pace:
    """Short text is always due. Long text waits until rendering has taken 1/20 of the time since,

    and until its HTML is less than 256 KiB a second on the way to the page. So the cost of a
    stream grows with its duration, not with the square of its length.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._not_before = clock()

    def is_due(self, length: int) -> bool:
        return length <= CHEAP_LENGTH or self._clock() >= self._not_before

    @contextmanager
    def spending(self) -> Iterator[Callable[[int], None]]:
        """Around one rendering; the value is called with the length of the HTML that was made."""
        started = self._clock()
        sent = [0]
        yield sent.append
        ended = self._clock()
        wait = max((ended - started) / _SHARE_OF_TIME, sum(sent) / _CHARACTERS_PER_SECOND)
        self._not_before = ended + wait
