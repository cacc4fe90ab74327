"""One generation from its request to its terminal event: its log, its clock, its counts.

The order of events is kept here (queued, loading, prefill, deltas, one terminal event, nothing
after it), so whoever reports late or twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from inference.causes import reason_of
from inference.errors import ErrorInfo
from inference.service.generation_log import GenerationLog
from inference.types import (
    TERMINAL,
    Delta,
    Embedding,
    Event,
    Failed,
    Finished,
    FinishReason,
    GenerationRequest,
    Loading,
    Moved,
    Prefill,
    Queued,
    Request,
    Shortened,
    Timings,
    Tokens,
    ToolCall,
    Usage,
)

Clock = Callable[[], float]

_ORDER: dict[type[Event], int] = {
    Moved: -1,  # whatever comes after it begins anew
    Queued: 0,
    Loading: 1,
    Shortened: 2,
    Prefill: 3,
    Delta: 4,
    ToolCall: 4,
    Embedding: 4,
    Tokens: 4,
}


class Generation:
    """`on_end` is called once, with this generation, right after its terminal event. `turn` belongs
    to the queue that it waits in."""

    def __init__(
        self,
        request: Request,
        *,
        clock: Clock,
        on_end: Callable[[Generation], None] = lambda generation: None,
    ) -> None:
        self.request = request
        self.log = GenerationLog()
        self.arrived_at = clock()
        self.turn = 0.0
        self.started_at: float | None = None
        self.stop_requested_at: float | None = None
        self.is_unwanted = False  # Stop was said, and may be on its way to the model before
        self._clock = clock
        self._on_end = on_end
        self._last: Event | None = None
        self._prompt_tokens: int | None = None
        self._num_tokens = 0
        self._first_delta_at: float | None = None
        self._last_delta_at: float | None = None

    @property
    def id(self) -> str:
        return self.request.generation_id

    @property
    def has_started(self) -> bool:
        return self.started_at is not None

    @property
    def has_ended(self) -> bool:
        return self.log.has_ended

    def record(self, event: Event) -> None:
        """Log what happened; a terminal event of the runner gets our timings."""
        if self.has_ended:
            return
        if isinstance(event, TERMINAL):
            self._end(event)
        elif self._is_news(event):
            self._note(event)
            self._last = event
            self.log.append(event)

    def cancel(self) -> None:
        """End as stopped, with what is known to have been computed."""
        usage = self._usage or Usage(prompt_tokens=0, completion_tokens=0)
        self.record(Finished(FinishReason.CANCELLED, usage, self._timings))

    def fail(self, error: ErrorInfo) -> None:
        self.record(Failed(error, self._usage))

    @property
    def can_move(self) -> bool:
        """Nothing of it is there yet, and it means the same to another model: no vectors or tokens."""
        request = self.request
        return (
            request.model.fallback is not None
            and isinstance(request, GenerationRequest)
            and not request.sampling.logit_bias
            and not (request.prompt and request.prompt.tokens)
            and not self.has_started
        )

    def move(self, error: ErrorInfo) -> None:
        """From now on it is its fallback's. Call only if it `can_move`."""
        before, after = self.request.model, self.request.model.fallback
        assert after is not None
        self.request = msgspec.structs.replace(self.request, model=after)
        self.record(Moved(after.model_id, after.name, reason_of(error, name=before.name)))

    def _is_news(self, event: Event) -> bool:
        """All that was made is; the rest only forward and when it differs from the last."""
        if self._last is None or isinstance(event, Delta | ToolCall | Embedding | Moved):
            return True
        return _ORDER[type(event)] >= _ORDER[type(self._last)] and event != self._last

    def _note(self, event: Event) -> None:
        match event:
            case Prefill(prompt_tokens=prompt_tokens):
                self._prompt_tokens = prompt_tokens
            case Delta(num_tokens=num_tokens):
                self._num_tokens = num_tokens
                self._last_delta_at = self._clock()
                self._first_delta_at = self._first_delta_at or self._last_delta_at

    def _end(self, event: Finished | Failed) -> None:
        self.log.append(self._terminal(event))
        self._on_end(self)

    def _terminal(self, event: Finished | Failed) -> Finished | Failed:
        """A stop that was asked for is how the log ends, whatever the runner got to meanwhile."""
        usage = event.usage or self._usage
        if self.stop_requested_at is not None:
            usage = usage or Usage(prompt_tokens=0, completion_tokens=0)
            return Finished(FinishReason.CANCELLED, usage, self._timings)
        if isinstance(event, Failed):
            return Failed(event.error, usage, self._timings)
        return Finished(event.reason, event.usage, self._timings, event.stop)

    @property
    def _usage(self) -> Usage | None:
        if self._prompt_tokens is None:
            return None
        return Usage(prompt_tokens=self._prompt_tokens, completion_tokens=self._num_tokens)

    @property
    def _timings(self) -> Timings:
        first, last = self._first_delta_at, self._last_delta_at
        return Timings(
            time_to_first_token=None if first is None else first - self.arrived_at,
            decode=0.0 if first is None or last is None else last - first,
            total=self._clock() - self.arrived_at,
        )
