"""A machine with a real service on it, whose runners do as they are told, in fake time.

All is real (the service, its owners, lives, queues and memory plan) but for the processes, the memory
and the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inference.errors import ModelLoadFailed
from inference.hardware.memory import Memory
from inference.messages import (
    Cancel,
    Embed,
    Emitted,
    Heartbeat,
    Loaded,
    LoadFailed,
    LoadModel,
    LoadProgress,
    RunnerCommand,
    RunnerReport,
    Start,
)
from inference.service import model_owner, service
from inference.service.memory_need import MARGIN, Need
from inference.service.memory_plan import GIB, MemoryPlan, MemoryUse
from inference.service.service import InferenceService
from inference.service.settings import ServiceSettings
from inference.types import Delta, ModelSpec
from tests.inference.service.fake_world import DONE

BEAT_SECONDS = 1.0
EXIT_SECONDS = 0.2
OTHERS = 4 * GIB


@dataclass
class Behaviour:
    """`ends` in mid-load: "" not at all, "says": it cannot load, "crashes". `answer_seconds` is asked
    once for each request."""

    load_seconds: float = 4.0
    ends: str = ""
    answer_seconds: Callable[[], float] = lambda: 2.0


class FakeMachine:
    """`sizes`: bytes each model takes by its id. What a load needs is known exactly, and a tenth of it is
    taken only as copies of ended chats are made."""

    def __init__(self, sizes: dict[str, int], *, room: int) -> None:
        self.sizes = sizes
        self.total = room + OTHERS + GIB
        self.behaviour: Callable[[str], Behaviour] = lambda model_id: Behaviour()
        self.runners: list[FakeRunner] = []
        self.num_starts = dict.fromkeys(sizes, 0)
        self.broken_off: list[str] = []

    @property
    def budget(self) -> int:
        return self.total - OTHERS - GIB

    def memory(self) -> Memory:
        used = sum(self.use_of(runner.pid).resident for runner in self.runners)
        return Memory(self.total, self.total - OTHERS - used, limited=False)

    def use_of(self, pid: int) -> MemoryUse:
        return MemoryUse(resident=self.runners[pid].resident)

    def need_of(self, model_id: str) -> Need:
        ended_chats = self.sizes[model_id] // 10
        return Need(int((self.sizes[model_id] - ended_chats) / MARGIN), ended_chats)

    def living(self, model_id: str) -> list[FakeRunner]:
        return [one for one in self.runners if one.model_id == model_id and one.is_alive]

    async def start(self, command: Sequence[str]) -> FakeRunner:
        self.runners.append(FakeRunner(self, len(self.runners)))
        return self.runners[-1]

    def spec(self, model_id: str) -> ModelSpec:
        return ModelSpec(model_id=model_id, name=model_id, path=model_id)


class FakeRunner:
    """What `RunnerProcess` is to an owner."""

    log_tail = "last line"

    def __init__(self, machine: FakeMachine, pid: int) -> None:
        self.pid = pid
        self.model_id = ""
        self.resident = 0
        self.is_alive = True
        self.is_loaded = False
        self.answering: dict[str, asyncio.TimerHandle] = {}
        self._machine = machine
        self._exit_code = 0
        self._num_steps = 0
        self._reports: asyncio.Queue[RunnerReport | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def send(self, command: RunnerCommand) -> None:
        if not self.is_alive:
            return
        match command:
            case LoadModel():
                self._begin(command.spec.model_id)
            case Start() | Embed():
                seconds = self._behaviour.answer_seconds()
                timer = self._loop.call_later(seconds, self._finish, command.generation_id)
                self.answering[command.generation_id] = timer
                self._emit(command.generation_id, Delta("x", 1))
            case Cancel():
                self._finish(command.generation_id)

    async def reports(self) -> AsyncIterator[RunnerReport]:
        while (report := await self._reports.get()) is not None:
            yield report

    async def end(self, *, grace: float, ask: bool = True) -> int:
        """Noted, if somebody is answered in this moment."""
        if self.is_alive and self.answering:
            self._machine.broken_off.append(self.model_id)
        if self.is_alive:
            self.die(0 if ask else -signal.SIGKILL)
        await asyncio.sleep(EXIT_SECONDS)
        self.resident = 0
        return self._exit_code

    def die(self, exit_code: int = -signal.SIGKILL) -> None:
        self.is_alive = False
        self._exit_code = exit_code
        for timer in self.answering.values():
            timer.cancel()
        self._reports.put_nowait(None)

    # -- its work -------------------------------------------------------------------------------

    def _begin(self, model_id: str) -> None:
        self.model_id = model_id
        self._machine.num_starts[model_id] += 1
        self._behaviour = self._machine.behaviour(model_id)
        self.resident = self._machine.sizes[model_id] // 2
        self._beat()
        self._loop.call_later(self._behaviour.load_seconds, self._end_load)

    def _beat(self) -> None:
        if self.is_alive:
            self._num_steps += 1
            self._reports.put_nowait(Heartbeat(self._num_steps, len(self.answering), 0))
            if not self.is_loaded:
                self._reports.put_nowait(LoadProgress(0.5))
            self._loop.call_later(BEAT_SECONDS, self._beat)

    def _end_load(self) -> None:
        if not self.is_alive:
            return
        if self._behaviour.ends == "says":
            self._reports.put_nowait(LoadFailed(ModelLoadFailed("No.").info))
            self.die(1)
        elif self._behaviour.ends == "crashes":
            self.die()
        else:
            self.is_loaded = True
            self.resident = int(0.9 / MARGIN * self._machine.sizes[self.model_id])
            self._most = int((0.9 / MARGIN + 0.1) * self._machine.sizes[self.model_id])
            self._reports.put_nowait(Loaded("CPU", 2048))

    def _emit(self, generation_id: str, event: Delta) -> None:
        self._reports.put_nowait(Emitted(generation_id, event))

    def _finish(self, generation_id: str) -> None:
        timer = self.answering.pop(generation_id, None)
        if timer is not None:
            timer.cancel()
            self._reports.put_nowait(Emitted(generation_id, DONE))
            self._loop.call_soon(self._keep_ended_chat)

    def _keep_ended_chat(self) -> None:
        if self.is_alive:
            self.resident = min(self._most, self.resident + self._most // 40)


@contextlib.contextmanager
def service_on(machine: FakeMachine, **settings: Any) -> Iterator[InferenceService]:
    """To be entered inside of a running loop; whoever does it shuts the service down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_owner, "RunnerProcess", machine)
        patch.setattr(model_owner, "need_of", lambda path, *_: machine.need_of(path))
        patch.setattr(MemoryUse, "of", machine.use_of)
        patch.setattr(service, "has_gpu_build", lambda: False)
        plan = functools.partial(MemoryPlan, probe=machine.memory)
        patch.setattr(service, "MemoryPlan", plan)
        yield InferenceService(ServiceSettings(socket=Path("none"), **settings))
