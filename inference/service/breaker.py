"""When a model that fails is left alone, and how it comes back. Pure; the clock is an argument.

        the fourth failure in a minute,          its time is over
        or one that nothing will cure
CLOSED ─────────────────────────────────► OPEN ──────────────────► HALF OPEN
  ▲                                        ▲                         │    │
  │                                        └── the trial fails ──────┘    │
  └───────── it loads and answers once, or somebody loads it ─────────────┘

Without it, a model that crashes at once would be started in a circle by the requests waiting for it.
"""

from __future__ import annotations

from collections import deque

from inference.causes import retry_of
from inference.errors import ErrorInfo
from inference.types import (
    BreakerState,
    BreakerStatus,
    Event,
    Finished,
    FinishReason,
    PastFailure,
)

MAX_FAILURES = 3
WITHIN_SECONDS = 60.0
OPEN_SECONDS = 60.0
MAX_OPEN_SECONDS = 600.0


class Breaker:
    """Three failures in a minute are forgiven; the next one opens it for a minute, each failed trial
    for twice as long as before, up to ten minutes."""

    def __init__(self) -> None:
        self._failures: deque[tuple[float, str]] = deque(maxlen=MAX_FAILURES + 1)
        self._opened_at: float | None = None  # None: closed
        self._seconds = OPEN_SECONDS
        self._closed_at: float | None = None

    def state(self, now: float) -> BreakerState:
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.seconds_open(now) else BreakerState.HALF_OPEN

    def seconds_open(self, now: float) -> float:
        """How long no start is allowed from now; 0.0 when one is."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._seconds - now)

    def note_error(self, error: ErrorInfo, now: float) -> None:
        """A failure, if errors of its kind count."""
        retry = retry_of(error)
        if retry.counts:
            self.note_failure(now, error.message, is_lasting=retry.is_lasting)

    def hear(self, event: Event, now: float) -> None:
        """What its runner told of a generation."""
        if isinstance(event, Finished) and event.reason is not FinishReason.CANCELLED:
            self.note_answer(now)

    def note_failure(self, now: float, message: str = "", *, is_lasting: bool = False) -> None:
        """`is_lasting`: the next try would end in the same way, so it opens at once."""
        self._failures.append((now, message))
        if self._opened_at is not None:
            self._open(now, min(2 * self._seconds, MAX_OPEN_SECONDS))
        elif is_lasting or self._num_recent(now) > MAX_FAILURES:
            self._open(now, OPEN_SECONDS)

    def note_answer(self, now: float) -> None:
        """It was loaded and has answered; a trial has held with that."""
        if self._opened_at is not None:
            self.reset()
            self._closed_at = now

    def close(self, now: float) -> None:
        """Somebody asks for the model by hand: what was open is closed, and begins anew."""
        if self.seconds_open(now):
            self.reset()

    def reset(self) -> None:
        self._failures.clear()
        self._opened_at = self._closed_at = None
        self._seconds = OPEN_SECONDS

    def status(self, now: float, *, wall_clock: float) -> BreakerStatus:
        """`wall_clock`: what `now` is as seconds since 1970."""
        passed = wall_clock - now
        state, since = self.state(now), self._since(now)
        wait = self.seconds_open(now)
        return BreakerStatus(
            state=state,
            since=0.0 if since is None else since + passed,
            until=wall_clock + wait if wait else 0.0,
            num_failures=self._num_recent(now),
            failures=tuple(PastFailure(at + passed, message) for at, message in self._failures),
        )

    def _since(self, now: float) -> float | None:
        """None: from the beginning."""
        if self._opened_at is None:
            return self._closed_at
        return self._opened_at if self.seconds_open(now) else self._opened_at + self._seconds

    def _open(self, now: float, seconds: float) -> None:
        self._opened_at, self._seconds = now, seconds

    def _num_recent(self, now: float) -> int:
        return sum(now - at <= WITHIN_SECONDS for at, _ in self._failures)
