"""The life of one model: unloaded → loading → ready → unloading → unloaded, or failed.

Messages in, effects out: no process, no thread and no sleep in here, and the clock is an argument,
so every order of events can be tested in microseconds. The rules:

1. One task (`ModelOwner`) calls `handle`; nobody else changes anything. What others read in
   `status` is advice. A decision that depends on the state is made here, when its message comes.
2. After every message `_advance` draws all consequences of the state as it now is. So whoever waits
   is moved on by every transition, whichever it was.
3. A start of a runner is a numbered run. It ends with exactly one RunnerEnded, and only then does
   the next run begin: two runners of one model never exist.
4. A generation that was stopped is out of the queue, so it can no longer cause a load.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from inference.causes import handling_of
from inference.errors import ErrorInfo
from inference.messages import Emitted, Loaded, LoadFailed, LoadProgress, RunnerReport
from inference.service import exits, failures
from inference.service.breaker import Breaker
from inference.service.effects import Effects
from inference.service.fallback import NEVER, Links, LoadChain, idle_seconds_of, loads_alike
from inference.service.generation import Clock
from inference.service.generation_queue import GenerationQueue
from inference.service.health import RunnerHealth
from inference.service.model_messages import (
    EvictRequested,
    LoadRequested,
    MemoryWanted,
    ModelMessage,
    RunnerEnded,
    RunnerReported,
    RunnerStarted,
    ShutDown,
    StopRequested,
    Submitted,
    TimePassed,
    UnloadRequested,
)
from inference.service.model_state import check_move
from inference.service.tally import Tally
from inference.service.turn import Turn
from inference.types import ModelSpec, ModelState, ModelStatus

logger = logging.getLogger(__name__)


class ModelLife:
    def __init__(
        self,
        model_id: str,
        *,
        links_of: Links,
        idle_unload_seconds: float,
        max_per_user: int = 0,
        effects: Effects,
        clock: Clock,
    ) -> None:
        self.model_id = model_id
        self.state = ModelState.UNLOADED
        self.last_used_at = clock()
        self.breaker = Breaker()
        self.tally = Tally(clock)
        self._links_of = links_of
        self._idle_unload_seconds = idle_unload_seconds
        self._effects = effects
        self._clock = clock
        self._queue = GenerationQueue(send=effects.send, clock=clock, max_per_user=max_per_user)
        self._chain = LoadChain(())  # of the present load
        self._wanted: ModelSpec | None = None  # asked for by LoadRequested, not yet begun
        self._spec: ModelSpec | None = None  # of the present load
        self._is_asked_for = False  # by LoadRequested, not only by a generation
        self._is_shut = False
        self._answers: list[Callable[[bool], None]] = []  # due when the model is gone
        # Of the present run:
        self._run = 0
        self._health: RunnerHealth | None = None  # None: it has no process yet
        self._turn = Turn(clock())
        self._fraction = 0.0
        self._loaded: Loaded | None = None
        self._load_seconds = 0.0
        self._error: ErrorInfo | None = None  # why we are ending it, then why it failed

    # -- what others read -----------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """It has work to do. One that makes way ends what runs, and does no more."""
        return self._queue.is_computing if self._makes_way else not self._queue.is_empty

    @property
    def is_pinned(self) -> bool:
        return self._spec is not None and self._spec.is_pinned

    @property
    def users(self) -> tuple[str, ...]:
        """Whose requests it has, each once."""
        return self._queue.users

    def has_loaded(self, spec: ModelSpec) -> bool:
        return self.state is ModelState.READY and self._is_loaded(spec)

    def status(self) -> ModelStatus:
        """All but what only the process knows: its memory and pid."""
        loaded = self._loaded
        return ModelStatus(
            model_id=self.model_id,
            state=self.state,
            fraction=self._fraction,
            device=loaded.device if loaded else "",
            fallback=self._chain.explanation if loaded else "",
            error=self._error if self.state is ModelState.FAILED else None,
            context_window=loaded.context_window if loaded else 0,
            num_running=self._queue.num_running,
            num_waiting=self._queue.num_waiting,
            load_seconds=self._load_seconds if loaded else 0.0,
        )

    def deadline(self) -> float:
        """When TimePassed is due next."""
        return min(self._queue.deadline(), self._deadline_of_run())

    # -- messages -------------------------------------------------------------------------------

    def handle(self, message: ModelMessage) -> None:
        match message:
            case Submitted():
                self.last_used_at = self._clock()
                self._queue.add(message.generation)
            case StopRequested():
                self._queue.stop(message.generation_id)
            case LoadRequested():
                self._wanted = message.spec
                self.breaker.close(self._clock())
            case UnloadRequested(if_idle=if_idle) if not (if_idle and self.is_busy):
                self._on_unload()
            case EvictRequested():
                self._on_evict(message.answer)
            case MemoryWanted():
                self._turn.want(self._clock(), is_wanted=message.is_wanted)
            case ShutDown():
                self._on_shut_down(message.answer)
            case TimePassed():
                self._on_time()
            case RunnerStarted() if message.run == self._run:
                self._health = RunnerHealth(self._clock())
            case RunnerReported() if message.run == self._run:
                self._on_report(message.report)
            case RunnerEnded() if message.run == self._run:
                self._on_ended(message)
        self._advance()

    def _advance(self) -> None:
        """What follows from the state alone. Ends with everyone who waits knowing where they are."""
        if self._is_shut:
            self._give_up(failures.shutting_down())
            return
        match self.state:
            case ModelState.UNLOADED | ModelState.FAILED:
                self._load_if_wanted()
            case ModelState.LOADING:
                self._give_up_load_for_nobody()
            case ModelState.READY:
                self._start_waiting()
        self._queue.announce(loading=self._fraction if self.state is ModelState.LOADING else None)

    # -- loading --------------------------------------------------------------------------------

    def _load_if_wanted(self) -> None:
        spec = self._queue.next_spec or self._wanted
        if spec is None:
            return
        seconds = self.breaker.seconds_open(self._clock())
        if seconds and self._is_loaded(spec):  # other settings may do better
            self._pass_on(failures.left_alone(seconds, self._error))
            return
        self._spec = spec
        self._is_asked_for = spec is self._wanted
        self._wanted = None
        self._chain = LoadChain(self._links_of(spec))
        self._queue.max_sequences = self._chain.current.max_sequences
        self._move(ModelState.LOADING)
        self._bring_up(spec)

    def _bring_up(self, spec: ModelSpec) -> None:
        self._run += 1
        self._health = None
        self._error = None
        self._fraction = 0.0
        self._effects.bring_up(self._run, self._chain.load_of(spec))

    def _give_up_load_for_nobody(self) -> None:
        """Without a process it has cost nothing yet, and might evict a model that is in use."""
        if self._health is None and not self.is_busy and not self._is_asked_for:
            self._unload("nobody waits for it any more")

    def _on_loaded(self, report: Loaded) -> None:
        assert self._health is not None
        now = self.last_used_at = self._clock()
        self._loaded = report
        self.tally.loaded(report)
        self._load_seconds = self._health.loaded(now)
        self._turn = Turn(now, load_seconds=self._load_seconds)
        self._fraction = 1.0
        self._move(ModelState.READY)
        logger.info(
            "loaded model=%s device=%s seconds=%.1f fallback=%s",
            *(self.model_id, report.device, self._load_seconds, self._chain.explanation or "no"),
        )

    def _on_load_ended(self, end: RunnerEnded) -> None:
        """To the next link, unless no other could do better."""
        if end.exit_code is None:
            self._fail_load(end.error or failures.not_started(), counts=False)
            return
        said = self._error or end.error
        error = exits.load_error(said, exit_code=end.exit_code, log_tail=end.log_tail)
        if not (handling_of(error).tries_next_link and self._chain.has_next()):
            self._fail_load(error, counts=True)
            return
        logger.warning("link failed model=%s reason=%s", self.model_id, error.message)
        self._chain.move_on(error.message)
        assert self._spec is not None
        self._bring_up(self._spec)

    def _fail_load(self, error: ErrorInfo, *, counts: bool) -> None:
        """Everyone who waited for this load learns why it failed; it is not begun again for them."""
        self._pass_on(error)
        self._fail(error, counts=counts)

    # -- ready ----------------------------------------------------------------------------------

    def _start_waiting(self) -> None:
        if self._wanted and self._is_loaded(self._wanted):
            self._spec, self._wanted = self._wanted, None
        may_start = not self._makes_way
        if may_start:
            self._queue.start_counting(self._is_loaded)
        while may_start and self._queue.has_room and self._is_loaded(self._queue.next_spec):
            self._spec = self._queue.next_spec
            self._queue.start_next()
        if self._health is not None:
            self._health.watch_steps(self._clock(), is_working=self._queue.num_running > 0)
        other = self._queue.next_spec or self._wanted
        if other and not self._is_loaded(other) and not self._queue.is_computing:
            self._unload("other settings are wanted")

    @property
    def _makes_way(self) -> bool:
        return self.state is ModelState.READY and self._turn.is_over(self._clock())

    def _is_loaded(self, spec: ModelSpec | None) -> bool:
        return spec is not None and self._spec is not None and loads_alike(spec, self._spec)

    def _on_crashed(self, end: RunnerEnded) -> None:
        crash = exits.crash(exit_code=end.exit_code or 0, log_tail=end.log_tail)
        error = end.error or crash.info
        logger.error("runner ended model=%s reason=%s", self.model_id, error.message)
        self._queue.fail_running(error)
        self._fail(error, counts=True)

    # -- unloading ------------------------------------------------------------------------------

    def _on_unload(self) -> None:
        self._give_up(failures.unloaded())
        self.breaker.reset()
        if self.state is ModelState.FAILED:
            self._move(ModelState.UNLOADED)
        elif self.state in (ModelState.LOADING, ModelState.READY):
            self._unload("asked to")

    def _on_evict(self, answer: Callable[[bool], None]) -> None:
        if self.state is ModelState.READY and not self.is_busy and not self.is_pinned:
            self._unload("another model needs the memory")
        self._answer_when_gone(answer)

    def _on_shut_down(self, answer: Callable[[bool], None]) -> None:
        self._is_shut = True
        self._give_up(failures.shutting_down())
        if self.state in (ModelState.LOADING, ModelState.READY):
            self._unload("shutting down")
        self._answer_when_gone(answer)

    def _answer_when_gone(self, answer: Callable[[bool], None]) -> None:
        if self.state is ModelState.UNLOADING:
            self._answers.append(answer)
        else:
            answer(self.state in (ModelState.UNLOADED, ModelState.FAILED))

    def _unload(self, why: str, *, error: ErrorInfo | None = None) -> None:
        """With an `error` it is a failure, and by force."""
        logger.info("unloading model=%s why=%s", self.model_id, why)
        self._error = error
        self._move(ModelState.UNLOADING)
        self._effects.take_down(self._run, at_once=error is not None)

    def _pass_on(self, error: ErrorInfo) -> None:
        """Those with a fallback go there, the others learn why."""
        for generation in self._queue.take_movable(error):
            self._effects.pass_on(generation, error)
        self._give_up(error)

    def _give_up(self, error: ErrorInfo) -> None:
        self._wanted = None
        self._queue.fail_all(error)

    # -- the runner -----------------------------------------------------------------------------

    def _on_report(self, report: RunnerReport) -> None:
        if self._health is not None:
            self._health.note(self._clock(), report)
        match report:
            case LoadProgress(fraction=fraction):
                self._fraction = round(min(max(fraction, 0.0), 1.0), 2)
            case Loaded() if self._is_loading_well:
                self._on_loaded(report)
            case LoadFailed(error=error) if self._is_loading_well:
                self._end_load(error, at_once=False)
            case Emitted():
                self.last_used_at = self._clock()
                self.tally.note(report)
                self._queue.record(report)
                self.breaker.hear(report.event, self.last_used_at)

    def _on_ended(self, end: RunnerEnded) -> None:
        state, self._loaded = self.state, None
        self.tally.ended()
        self._health = None
        self._fraction = 0.0
        if state is ModelState.LOADING:
            self._on_load_ended(end)
        elif state is ModelState.READY:
            self._on_crashed(end)
        elif self._error is not None:
            self._fail(self._error, counts=True)
        else:
            self._queue.fail_running(failures.unloaded())
            self._move(ModelState.UNLOADED)
        answers, self._answers = self._answers, []
        for answer in answers:
            answer(True)

    @property
    def _is_loading_well(self) -> bool:
        return self.state is ModelState.LOADING and self._error is None

    # -- time -----------------------------------------------------------------------------------

    def _on_time(self) -> None:
        now = self._clock()
        self._queue.expire(now)
        fault = self._health.fault(now) if self._health is not None else ""
        if self._is_loading_well and fault:
            self._end_load(failures.load_stuck(fault), at_once=True)
        elif self.state is ModelState.READY:
            self._check_ready(now, fault)

    def _check_ready(self, now: float, fault: str) -> None:
        if self._queue.holds_a_stopped_one(now):
            fault = fault or "did not stop a generation when told to"
        if fault:
            self._end_stuck(failures.stuck(fault))
        elif not self.is_busy and now >= self._idle_at:
            self._unload("idle")

    def _end_load(self, error: ErrorInfo, *, at_once: bool) -> None:
        """Still loading until the process is gone: then the next link is tried."""
        self._error = error
        self._effects.take_down(self._run, at_once=at_once)

    def _end_stuck(self, error: ErrorInfo) -> None:
        self._queue.fail_running(error)
        self._unload(error.message, error=error)

    @property
    def _idle_at(self) -> float:
        return self.last_used_at + idle_seconds_of(self._spec, self._idle_unload_seconds)

    def _deadline_of_run(self) -> float:
        if self._health is None or not (self._is_loading_well or self.state is ModelState.READY):
            return NEVER
        is_idle = self.state is ModelState.READY and not self.is_busy
        return min(self._health.deadline(), self._idle_at if is_idle else NEVER)

    # -- state ----------------------------------------------------------------------------------

    def _move(self, state: ModelState) -> None:
        check_move(self.state, state)
        self.state = state

    def _fail(self, error: ErrorInfo, *, counts: bool) -> None:
        self._error = error
        if counts:
            self.breaker.note_error(error, self._clock())
        self._move(ModelState.FAILED)
