"""How often a model may fail before it is left alone for a while. Pure; the clock is an argument."""

from __future__ import annotations

from collections import deque

MAX_FAILURES = 3
WITHIN_SECONDS = 60.0
PAUSE_SECONDS = 60.0


class RestartLimit:
    """Three failures in a minute are forgiven; the next one closes the model for a minute.

    Without it, a model that crashes at once would be started in a circle by the requests waiting
    for it.
    """

    def __init__(self) -> None:
        self._failed_at: deque[float] = deque(maxlen=MAX_FAILURES + 1)
        self._closed_until = 0.0

    def note_failure(self, now: float) -> None:
        self._failed_at.append(now)
        oldest = self._failed_at[0]
        if len(self._failed_at) > MAX_FAILURES and now - oldest <= WITHIN_SECONDS:
            self._closed_until = now + PAUSE_SECONDS

    def num_failures(self, now: float) -> int:
        """Those that count now."""
        return sum(now - at <= WITHIN_SECONDS for at in self._failed_at)

    def seconds_closed(self, now: float) -> float:
        """How long no start is allowed from now; 0.0 when one is."""
        return max(0.0, self._closed_until - now)

    def reset(self) -> None:
        self._failed_at.clear()
        self._closed_until = 0.0
