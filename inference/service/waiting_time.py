"""How long a place in the queue takes, from how long the last generations of this model took."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

NUM_REMEMBERED = 32


class WaitingTime:
    def __init__(self) -> None:
        self._durations: deque[float] = deque(maxlen=NUM_REMEMBERED)

    def note(self, seconds: float) -> None:
        """A generation gave its place in the runner back after so long."""
        self._durations.append(seconds)

    @property
    def is_known(self) -> bool:
        return bool(self._durations)

    def starts(self, *, running: Iterable[float], num_places: int, num_waiting: int) -> list[float]:
        """In how many seconds each of those who wait gets a place, first to last. `running`: for how
        long each of the running ones has been at it. Call only when something is known."""
        mean = sum(self._durations) / len(self._durations)
        free_at = [self._left(elapsed, mean) for elapsed in running]
        free_at += [0.0] * max(0, num_places - len(free_at))
        heapq.heapify(free_at)
        expected = []
        for _ in range(num_waiting):
            expected.append(free_at[0])
            heapq.heapreplace(free_at, free_at[0] + mean)
        return expected

    def _left(self, elapsed: float, mean: float) -> float:
        """Of those that took longer than this one has so far, what was left on average."""
        longer = [seconds - elapsed for seconds in self._durations if seconds > elapsed]
        return sum(longer) / len(longer) if longer else mean
