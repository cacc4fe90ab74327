"""The generations of one model: who waits, who is being computed, who is being stopped.

Owned by one `ModelLife` and called from nowhere else. It knows nothing of processes: a command for
the runner goes through `send`. A sequence keeps its place in the runner until the runner itself has
reported its end, so never more than `max_sequences` are open there.

Users take turns, and each one's own requests come in the order of their arrival. A request gets the
number of the turn in which it starts (start-time fair queueing: Goyal, Vin, Cheng, 1996): the turn
that is going on, or the one after the last that its user has taken. So who sends many at once waits
for himself, not the others for him. A user of weight 2 takes half a turn each time.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from inference.causes import retry_of
from inference.errors import ErrorInfo, Overloaded
from inference.messages import Cancel, Embed, Emitted, RunnerCommand, Start, Tokenize
from inference.service.generation import Clock, Generation
from inference.service.waiting_time import WaitingTime
from inference.types import (
    TERMINAL,
    EmbeddingRequest,
    Loading,
    ModelSpec,
    Queued,
    Request,
    TokensRequest,
)

# After Stop, the runner has this long to report the end itself, with exact counts.
STOP_PATIENCE_SECONDS = 0.15
# A runner that has not let go of a stopped sequence by then is stuck.
STOP_LIMIT_SECONDS = 5.0
WAIT_LIMIT_SECONDS = 900.0

C = TypeVar("C", Start, Tokenize)


class GenerationQueue:
    def __init__(
        self,
        *,
        send: Callable[[RunnerCommand], None],
        clock: Clock,
        max_sequences: int = 1,
        max_per_user: int = 0,
    ) -> None:
        """`max_per_user` 0: as many as there is room for."""
        self.max_sequences = max_sequences
        self._max_per_user = max_per_user
        self._waiting_time = WaitingTime()
        self._places: dict[str, int] = {}  # of those who wait, as last told
        self._send = send
        self._clock = clock
        self._turn = 0.0
        self._waiting: list[Generation] = []  # in order of their turns
        self._running: dict[str, Generation] = {}
        self._counting: dict[str, Generation] = {}  # requests for tokens, which take no place

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def is_empty(self) -> bool:
        return not self._waiting and not self._running and not self._counting

    @property
    def is_computing(self) -> bool:
        """The runner has something of ours."""
        return bool(self._running or self._counting)

    @property
    def users(self) -> tuple[str, ...]:
        everyone = (*self._running.values(), *self._waiting)
        return tuple(dict.fromkeys(generation.request.user for generation in everyone))

    @property
    def next_spec(self) -> ModelSpec | None:
        """What the first one that may start needs loaded."""
        first = self._next or next(iter(self._waiting), None)
        return first.request.model if first else None

    @property
    def _next(self) -> Generation | None:
        """The first whose user does not have as many running as one may."""
        if not self._max_per_user:
            return next(iter(self._waiting), None)
        running = Counter(generation.request.user for generation in self._running.values())
        allowed = (g for g in self._waiting if running[g.request.user] < self._max_per_user)
        return next(allowed, None)

    def add(self, generation: Generation) -> None:
        generation.turn = self._next_turn_of(generation.request.user)
        insort(self._waiting, generation, key=lambda waiting: waiting.turn)

    def start_next(self) -> None:
        """Hand the first in the queue to the runner. Call only when it `has_room`."""
        generation = self._next
        assert generation is not None
        self._waiting.remove(generation)
        generation.started_at = self._clock()
        self._turn = generation.turn
        self._running[generation.id] = generation
        self._send(_command(generation.request))

    def start_counting(self, is_loaded: Callable[[ModelSpec | None], bool]) -> None:
        """Hand over the requests for tokens, whoever waits before them."""
        for generation in list(self._waiting):
            request = generation.request
            if isinstance(request, TokensRequest) and is_loaded(request.model):
                self._waiting.remove(generation)
                generation.started_at = self._clock()
                self._counting[generation.id] = generation
                self._send(_command(request))

    @property
    def has_room(self) -> bool:
        """For the next one, if there is one that may start."""
        return len(self._running) < self.max_sequences and self._next is not None

    def record(self, report: Emitted) -> None:
        """An event from the runner; the terminal one gives the place back."""
        name = report.generation_id
        generation = self._running.get(name) or self._counting.get(name)
        if generation is None:
            return
        if isinstance(report.event, TERMINAL):
            if self._running.pop(name, None):
                self._waiting_time.note(self._clock() - (generation.started_at or self._clock()))
            self._counting.pop(name, None)
        generation.record(report.event)

    def stop(self, generation_id: str) -> None:
        """End one wherever it is. A waiting one leaves at once and never reaches the runner."""
        for generation in self._waiting:
            if generation.id == generation_id:
                self._waiting.remove(generation)
                generation.cancel()
                return
        if counting := self._counting.pop(generation_id, None):
            counting.cancel()
        running = self._running.get(generation_id)
        if running is not None and running.stop_requested_at is None:
            running.stop_requested_at = self._clock()
            self._send(Cancel(generation_id))

    def fail_running(self, error: ErrorInfo) -> None:
        """The runner is gone: nothing of what it computed goes on."""
        failed = [*self._running.values(), *self._counting.values()]
        self._running, self._counting = {}, {}
        for generation in failed:
            generation.fail(error)

    def take_movable(self, error: ErrorInfo) -> list[Generation]:
        """Those of the waiting that another model may answer after this; they are gone from here."""
        if not retry_of(error).moves_on:
            return []
        movable = [generation for generation in self._waiting if generation.can_move]
        self._waiting = [generation for generation in self._waiting if not generation.can_move]
        return movable

    def fail_all(self, error: ErrorInfo) -> None:
        self.fail_running(error)
        failed, self._waiting = self._waiting, []
        for generation in failed:
            generation.fail(error)

    def announce(self, *, loading: float | None) -> None:
        """Tell everyone who waits what for: those that a load in progress has room for see the load
        (`loading` is its fraction), the others their place in the queue."""
        room = self.max_sequences if loading is not None else 0
        for index, generation in enumerate(self._waiting):
            if loading is not None and index < room:
                generation.record(Loading(loading))
            else:
                self._tell_place(generation, index - room + 1, index)
        self._places = {g.id: self._places[g.id] for g in self._waiting if g.id in self._places}

    def _tell_place(self, generation: Generation, position: int, index: int) -> None:
        """When it changed: the expectation alone would change all the time."""
        if self._places.get(generation.id) == position:
            return
        self._places[generation.id] = position
        generation.record(Queued(position, self._expected(index)))

    def _expected(self, index: int) -> float | None:
        if not self._waiting_time.is_known:
            return None
        now = self._clock()
        elapsed = [now - (g.started_at or now) for g in self._running.values()]
        starts = self._waiting_time.starts(
            running=elapsed, num_places=self.max_sequences, num_waiting=index + 1
        )
        return round(starts[-1], 1)

    # -- time -----------------------------------------------------------------------------------

    def deadline(self) -> float:
        """When `expire` has something to do next."""
        patience = (
            asked_at + (STOP_LIMIT_SECONDS if generation.has_ended else STOP_PATIENCE_SECONDS)
            for generation in self._running.values()
            if (asked_at := generation.stop_requested_at) is not None
        )
        waiting = (g.arrived_at + WAIT_LIMIT_SECONDS for g in self._waiting)
        return min([*patience, *waiting], default=float("inf"))

    def expire(self, now: float) -> None:
        """End the logs of those stopped a while ago, and the wait of those that waited too long."""
        for generation in self._running.values():
            asked_at = generation.stop_requested_at
            if asked_at is not None and now >= asked_at + STOP_PATIENCE_SECONDS:
                generation.cancel()
        for generation in [g for g in self._waiting if now >= g.arrived_at + WAIT_LIMIT_SECONDS]:
            self._waiting.remove(generation)
            generation.fail(self._waited_too_long().info)

    def holds_a_stopped_one(self, now: float) -> bool:
        """True when the runner should long have let go of a sequence."""
        return any(
            generation.stop_requested_at is not None
            and now >= generation.stop_requested_at + STOP_LIMIT_SECONDS
            for generation in self._running.values()
        )

    def _next_turn_of(self, user: str) -> float:
        theirs = [g for g in (*self._waiting, *self._running.values()) if g.request.user == user]
        return max([self._turn, *(one.turn + 1 / one.request.weight for one in theirs)])

    def _waited_too_long(self) -> Overloaded:
        return Overloaded(
            f"This request waited {WAIT_LIMIT_SECONDS / 60:.0f} minutes without its turn coming. "
            "Try again when the model is less busy.",
            queue_length=len(self._waiting),
        )


def _command(request: Request) -> Start | Embed | Tokenize:
    match request:
        case EmbeddingRequest():
            return Embed(
                request.generation_id,
                request.inputs,
                request.pooling,
                request.user,
                request.request_id,
            )
        case TokensRequest():
            return _as(Tokenize, request)
    return _as(Start, request)


def _as(command: type[C], request: Request) -> C:
    """With the fields of the same names."""
    return command(**{name: getattr(request, name) for name in command.__struct_fields__})
