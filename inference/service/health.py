"""Is the runner alive and getting on? Pure; the clock is an argument.

A process can hold its socket open and do nothing. Alive means that something was heard from it;
getting on means that its engine takes steps while it has sequences to compute.
"""

from __future__ import annotations

from inference.messages import Heartbeat, RunnerReport

SILENCE_SECONDS = 15.0
# A step is at most one chunk of a prompt, which takes long on a slow processor.
STALL_SECONDS = 60.0
# Noticing a deadline this late means that this process slept too: nobody was watched meanwhile.
SLEPT_SECONDS = 5.0
LOAD_LIMIT_SECONDS = 900.0


class RunnerHealth:
    """Of a process that was started at `now` and begins to load."""

    def __init__(self, now: float) -> None:
        self._loading_since: float | None = now
        self._heard_at = now
        self._stepped_at = now
        self._num_steps = -1
        self._is_working = False

    def loaded(self, now: float) -> float:
        """How long that took."""
        assert self._loading_since is not None
        seconds, self._loading_since = now - self._loading_since, None
        return seconds

    def note(self, now: float, report: RunnerReport) -> None:
        self.heard(now)
        if isinstance(report, Heartbeat):
            self.stepped(now, report.num_steps)

    def heard(self, now: float) -> None:
        self._heard_at = now

    def stepped(self, now: float, num_steps: int) -> None:
        if num_steps != self._num_steps:
            self._num_steps = num_steps
            self._stepped_at = now

    def watch_steps(self, now: float, *, is_working: bool) -> None:
        """Called whenever there is work or no longer any: without work, no step is expected."""
        if is_working and not self._is_working:
            self._stepped_at = now
        self._is_working = is_working

    def deadline(self) -> float:
        silence = self._heard_at + SILENCE_SECONDS
        if self._loading_since is not None:
            return min(silence, self._loading_since + LOAD_LIMIT_SECONDS)
        return min(silence, self._stepped_at + STALL_SECONDS) if self._is_working else silence

    def fault(self, now: float) -> str:
        """What is wrong, as the middle of a sentence; "" while all is well."""
        if now < self.deadline():
            return ""
        if now - self.deadline() > SLEPT_SECONDS:
            self._heard_at = self._stepped_at = now
            if self._loading_since is not None:
                self._loading_since = now
            return ""
        if now >= self._heard_at + SILENCE_SECONDS:
            return f"gave no sign of life for {SILENCE_SECONDS:.0f} s"
        if self._loading_since is not None:
            return f"was not loaded after {LOAD_LIMIT_SECONDS / 60:.0f} minutes"
        return f"made no progress for {STALL_SECONDS:.0f} s"
