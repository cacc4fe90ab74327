"""The task that owns one model: feeds its `ModelLife` and carries out what that decides.

One inbox, one loop. Everything that takes time (memory, a process, its end) runs in a task of the
present run and answers by a message to the inbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from inference.errors import ErrorInfo, InferenceError, ModelLoadFailed, RunnerCrashed, error_from
from inference.memory_record import MemoryRecord
from inference.messages import Ending, Loaded, LoadModel, LoadSettings, RunnerCommand
from inference.service.fallback import NEVER
from inference.service.generation import Clock, Generation
from inference.service.measuring import Measuring
from inference.service.memory_need import Need, need_of
from inference.service.memory_plan import MemoryPlan, MemoryUse
from inference.service.model_life import ModelLife
from inference.service.model_messages import (
    EvictRequested,
    MemoryWanted,
    ModelMessage,
    RunnerEnded,
    RunnerReported,
    RunnerStarted,
    ShutDown,
    TimePassed,
    UnloadRequested,
)
from inference.service.runner_process import RunnerProcess
from inference.types import ModelDetails, ModelSpec, ModelState, ModelStatus
from inference.wire import WireError

logger = logging.getLogger(__name__)

# How long a runner may take to end by itself.
GRACE_SECONDS = 2.0


class ModelOwner:
    """Made and run by the service. `post` may be called from anywhere in its event loop."""

    def __init__(
        self,
        model_id: str,
        *,
        links_of: Callable[[ModelSpec], tuple[LoadSettings, ...]],
        idle_unload_seconds: float,
        max_per_user: int,
        runner_command: Callable[[ModelSpec], Sequence[str]],
        memory: MemoryPlan,
        record: MemoryRecord,
        pass_on: Callable[[Generation, ErrorInfo], None],
        clock: Clock,
    ) -> None:
        self.model_id = model_id
        self._pass_on = pass_on
        self._runner_command = runner_command
        self._memory_plan = memory
        self._record = record
        self._clock = clock
        self._inbox: asyncio.Queue[ModelMessage] = asyncio.Queue()
        self._process: RunnerProcess | None = None
        self._attending: asyncio.Task[None] | None = None
        self._going: asyncio.Task[None] | None = None
        self._end: _End | None = None
        self._need = Need(0)
        self._measuring: Measuring | None = None
        self._last_log = ""  # of a runner that is gone
        self._life = ModelLife(
            model_id,
            links_of=links_of,
            idle_unload_seconds=idle_unload_seconds,
            max_per_user=max_per_user,
            effects=self,
            clock=clock,
        )

    def post(self, message: ModelMessage) -> None:
        self._inbox.put_nowait(message)

    async def run(self) -> None:
        """For ever. The service cancels it, after `shut_down`."""
        seen = None
        while True:
            self._handle(await self._next_message())
            # Not after every message: some come from the plan itself, which would never rest.
            if seen != (seen := (self._life.state, self._life.is_busy)):
                self._memory_plan.look_again()

    def _handle(self, message: ModelMessage) -> None:
        """A fault of ours costs this model's generations, and nobody waits for ever."""
        try:
            self._life.handle(message)
        except Exception:
            logger.exception("owner failed model=%s message=%r", self.model_id, type(message))
            self._life.handle(UnloadRequested())
            if isinstance(message, RunnerEnded) and self._life.state is ModelState.UNLOADING:
                self._life.handle(message)  # there is no run any more that could end

    async def _next_message(self) -> ModelMessage:
        deadline = self._life.deadline()
        if deadline <= self._clock():
            return TimePassed()
        try:
            async with asyncio.timeout(None if deadline == NEVER else deadline - self._clock()):
                return await self._inbox.get()
        except TimeoutError:
            return TimePassed()

    # -- what others read -----------------------------------------------------------------------

    @property
    def has_runner(self) -> bool:
        return self._process is not None

    @property
    def last_used_at(self) -> float:
        return self._life.last_used_at

    @property
    def is_busy(self) -> bool:
        return self._life.is_busy

    @property
    def is_pinned(self) -> bool:
        return self._life.is_pinned

    @property
    def users(self) -> tuple[str, ...]:
        return self._life.users

    def has_loaded(self, spec: ModelSpec) -> bool:
        return self._life.has_loaded(spec)

    def memory(self) -> MemoryUse:
        if self._process is None:
            return MemoryUse()
        use = MemoryUse.of(self._process.pid)
        used = self._measuring.used if self._measuring else 0
        return replace(use, expected=used + self._need.ended_chats if used else 0)

    def status(self) -> ModelStatus:
        use, tally = self.memory(), self._life.tally
        placed = tally.placed
        return msgspec.structs.replace(
            self._life.status(),
            memory=use.resident,
            mapped_memory=use.mapped,
            estimated_memory=self._need.expected if self._process else 0,
            runner_pid=self._process.pid if self._process else 0,
            num_gpu_layers=placed.num_gpu_layers if placed else 0,
            num_layers=placed.num_layers if placed else 0,
            engine=placed.engine if placed else "",
            loaded_at=self._date(tally.loaded_at),
            last_used_at=self._date(tally.last_used_at),
            num_answers=tally.num_answers,
            prompt_tokens=tally.prompt_tokens,
            completion_tokens=tally.completion_tokens,
            prompt_rate=tally.prompt_rate,
            decode_rate=tally.decode_rate,
            breaker=self._life.breaker.status(self._clock(), wall_clock=time.time()),
        )

    def details(self) -> ModelDetails:
        return ModelDetails(
            status=self.status(),
            log_tail=self._process.log_tail if self._process else self._last_log,
        )

    def _date(self, at: float | None) -> float:
        """A moment of our clock as seconds since 1970."""
        return 0.0 if at is None else time.time() - (self._clock() - at)

    async def evict(self) -> bool:
        """True once the model is out of memory, False when it is in use."""
        return await self._ask(EvictRequested)

    def want_memory(self, is_wanted: bool) -> None:
        """Another model waits for it, or does so no longer."""
        self.post(MemoryWanted(is_wanted))

    async def shut_down(self) -> None:
        """Returns when the runner, if there is one, is ended and reaped."""
        await self._ask(ShutDown)

    async def _ask(self, question: Callable[[Callable[[bool], None]], ModelMessage]) -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        # Whoever asked may be gone when the answer comes.
        self.post(question(lambda yes: None if answer.done() else answer.set_result(yes)))
        return await answer

    # -- effects of ModelLife -------------------------------------------------------------------

    def bring_up(self, run: int, load: LoadModel) -> None:
        self._end = None
        self._attending = asyncio.create_task(
            self._attend(run, load), name=f"run {run} of {self.model_id}"
        )

    def take_down(self, run: int, *, at_once: bool) -> None:
        self._end = self._end or _End(grace=0.0 if at_once else GRACE_SECONDS)
        if self._going is not None:
            self._going.cancel()

    def send(self, command: RunnerCommand) -> None:
        if self._process is not None:
            self._process.send(command)

    def pass_on(self, generation: Generation, error: ErrorInfo) -> None:
        self._pass_on(generation, error)

    # -- a run ----------------------------------------------------------------------------------

    async def _attend(self, run: int, load: LoadModel) -> None:
        """From the wait for memory to the reaped process. Nobody cancels this: `take_down` cancels
        only the part that may be left at any moment."""
        ended = RunnerEnded(run, None)
        try:
            self._going = asyncio.create_task(self._go(run, load))
            await asyncio.wait({self._going})
            error = _reason(self._going)
            ended = await self._end_process(run, error)
        except Exception:
            logger.exception("run failed model=%s", self.model_id)
        finally:
            self._process = self._going = None
            self.post(ended)

    async def _go(self, run: int, load: LoadModel) -> None:
        """Returns when the runner closed its socket; raises what kept it from being of use."""
        if self._end is not None:  # taken down before it began
            return
        need = await asyncio.to_thread(need_of, load.spec.path, load.settings, self._record)
        measuring = Measuring(load, record=self._record, resident=lambda: self.memory().resident)
        self._need, self._measuring = need, measuring
        async with contextlib.AsyncExitStack() as reservation:
            promise = self._memory_plan.reserve(self.model_id, need.total)
            await reservation.enter_async_context(promise)
            command = await asyncio.to_thread(self._runner_command, load.spec)
            self._process = await RunnerProcess.start(command)
            self.post(RunnerStarted(run))
            self._process.send(load)
            async for report in self._process.reports():
                self.post(RunnerReported(run, report))
                await measuring.hear(report)
                if isinstance(report, Loaded):
                    await reservation.aclose()
                elif isinstance(report, Ending):
                    raise error_from(report.error)

    async def _end_process(self, run: int, error: ErrorInfo | None) -> RunnerEnded:
        if self._process is None:
            return RunnerEnded(run, None, error=error)
        if self._end is not None:
            exit_code = await self._process.end(grace=self._end.grace)
        else:
            exit_code = await self._process.end(grace=GRACE_SECONDS, ask=False)
        self._last_log = self._process.log_tail
        return RunnerEnded(run, exit_code, self._last_log, error)


@dataclass(frozen=True)
class _End:
    """We end the run, and not the runner itself. `grace` in seconds."""

    grace: float


def _reason(going: asyncio.Task[None]) -> ErrorInfo | None:
    """Why a run ended, where it is not the runner's own end."""
    if going.cancelled():
        return None
    match going.exception():
        case None:
            return None
        case InferenceError() as refused:
            return refused.info
        case WireError() as fault:
            logger.error("garbage from a runner: %s", fault)
            return RunnerCrashed("The model's process sent something unreadable. Retry.").info
        case OSError() as error:
            logger.error("runner not started: %s", error)
            return ModelLoadFailed("The model's process could not be started. See the log.").info
        case other:
            raise other
