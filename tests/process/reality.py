"""What is true of a product's models from moment to moment: their processes, and what the service says."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from inference.client import InferenceClient
from tests.process.service_process import has_ended

SAMPLE_SECONDS = 0.05
PASSING = ("loading", "unloading")


@dataclass(frozen=True)
class Moment:
    """`states`: what the service says of each model; `alive`: those whose process lives."""

    at: float
    states: dict[str, str]
    alive: frozenset[str]

    def is_so(self, name: str, state: str) -> bool:
        """A model that loads or unloads may have a process not yet, or no longer."""
        is_alive = name in self.alive
        return self.states[name] == state and (state in PASSING or is_alive == (state == "ready"))


class Reality:
    """The processes and what the service says of them, from moment to moment."""

    def __init__(self, socket: Path, names: dict[str, str]) -> None:
        """`names`: of the models, by their ids."""
        self.moments: list[Moment] = []
        self.client = InferenceClient(socket, timeout=60)
        self._names = names
        self._runners: dict[str, dict[int, psutil.Process]] = {one: {} for one in names.values()}
        self._one_at_a_time = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self.note()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join()

    def note(self) -> Moment:
        with self._one_at_a_time:
            states = dict.fromkeys(self._runners, "unloaded")
            for model in asyncio.run(self.client.status()).models:
                if name := self._names.get(model.model_id):
                    states[name] = model.state.value
                    self._meet(name, model.runner_pid)
            alive = frozenset(name for name in states if self.runner(name))
            moment = Moment(time.monotonic(), states, alive)
            self.moments.append(moment)
        return moment

    def runner(self, name: str) -> psutil.Process | None:
        """Its living process."""
        return next((one for one in list(self._runners[name].values()) if not has_ended(one)), None)

    def last_so(self, name: str, state: str) -> float:
        """When that was so last. What passes may have passed between two moments."""
        moments = self.moments
        for before, moment in zip(reversed(moments[:-1]), reversed(moments), strict=False):
            if moment.is_so(name, state):
                return moment.at
            if state in PASSING and before.states[name] != moment.states[name]:
                return moment.at
        return moments[0].at

    def _meet(self, name: str, pid: int) -> None:
        if pid and pid not in self._runners[name]:
            try:
                self._runners[name][pid] = psutil.Process(pid)
            except psutil.NoSuchProcess:
                return

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            self.note()
