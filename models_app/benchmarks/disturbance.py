"""What else the machine did while a model was measured. Figures taken beside other work are too low,
and nobody could tell from the figures."""

from __future__ import annotations

import time

import psutil

from inference.types import ModelState, ServiceStatus
from models_app.benchmarks.requests import PREFIX

# Of all processors together: what a desktop that does nothing takes stays below.
NOTABLE_SHARE = 0.15
# Anything shorter is too little to tell a share from.
SHORTEST_SECONDS = 1.0


class Disturbance:
    """`noticed`: sentences, each once, in the order in which they came true."""

    def __init__(self, model_id: str) -> None:
        self._model_id = model_id
        self._noticed: dict[str, None] = {}
        self._began: _Usage | None = None

    @property
    def noticed(self) -> str:
        return " ".join(self._noticed)

    def look(self, status: ServiceStatus, *, is_downloading: bool) -> None:
        """Now and then, while it is measured."""
        others = [one for one in status.models if one.model_id != self._model_id]
        if any(not name.startswith(PREFIX) for name in status.generations):
            self._note("Somebody was given an answer.")
        if any(one.state is ModelState.LOADING for one in others):
            self._note("Another model was being loaded.")
        if is_downloading:
            self._note("A download was going on.")

    def begin(self, runner_pid: int) -> None:
        """From now on the processors' time is watched, all but that of this process."""
        self._began = _Usage.now(runner_pid)

    def end(self) -> None:
        if self._began is None:
            return
        share = self._began.share_of_others()
        if share > NOTABLE_SHARE:
            self._note(f"Other programs took {100 * share:.0f} % of the processors.")

    def _note(self, sentence: str) -> None:
        self._noticed.setdefault(sentence)


class _Usage:
    """Seconds of processor time up to a moment: of the whole machine, and of one process."""

    def __init__(self, pid: int, *, at: float, busy: float, own: float) -> None:
        self._pid, self._at, self._busy, self._own = pid, at, busy, own

    @classmethod
    def now(cls, pid: int) -> _Usage:
        return cls(pid, at=time.monotonic(), busy=_busy_seconds(), own=_seconds_of(pid))

    def share_of_others(self) -> float:
        now = _Usage.now(self._pid)
        elapsed = now._at - self._at
        if elapsed < SHORTEST_SECONDS or now._own < self._own:
            return 0.0
        others = (now._busy - self._busy) - (now._own - self._own)
        return min(1.0, max(0.0, others / (elapsed * (psutil.cpu_count() or 1))))


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0.0))


def _seconds_of(pid: int) -> float:
    """0.0 for a process that is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
