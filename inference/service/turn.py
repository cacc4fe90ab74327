"""When a model in use makes way for one that waits for its memory. Pure; the clock is an argument.

Without it, steady traffic on one model would keep another out for ever. What runs is never broken
off, and the requests that wait are served in the model's next turn.
"""

from __future__ import annotations

TURN_SECONDS = 20.0


class Turn:
    """Of a model that was loaded at `now`. It is over `TURN_SECONDS` after another began to wait, but
    never sooner after the load, and no turn is shorter than its load was: so no more than half of the
    time goes into loading."""

    def __init__(self, now: float, *, load_seconds: float = 0.0) -> None:
        self._began_at = now
        self._seconds = max(TURN_SECONDS, load_seconds)
        self._wanted_at: float | None = None

    def want(self, now: float, *, is_wanted: bool) -> None:
        """Another model needs the memory, or does so no longer. Saying it again changes nothing."""
        if not is_wanted:
            self._wanted_at = None
        elif self._wanted_at is None:
            self._wanted_at = now

    def is_over(self, now: float) -> bool:
        if self._wanted_at is None:
            return False
        return now >= max(self._wanted_at, self._began_at) + self._seconds
