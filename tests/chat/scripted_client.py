"""An inference client that says what a test tells it to: for faults that no engine can be made to
show, and for moments that a real one passes too quickly. Same contract as `InferenceClient`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from inference.errors import ErrorInfo, GenerationNotFound, InferenceError, ServiceUnavailable
from inference.types import (
    TERMINAL,
    Delta,
    Event,
    Failed,
    Finished,
    FinishReason,
    GenerationRequest,
    LoggedEvent,
    ServiceStatus,
    Timings,
    Usage,
)

USAGE = Usage(prompt_tokens=7, completion_tokens=3)
TIMINGS = Timings(time_to_first_token=0.5, decode=1.0, total=1.5)
DONE = Finished(FinishReason.STOP, USAGE, TIMINGS)
CANCELLED = Finished(FinishReason.CANCELLED, USAGE, TIMINGS)


def failed(error: InferenceError) -> Failed:
    return Failed(error.info)


def crashed() -> Failed:
    return Failed(ErrorInfo("runner_crashed", "The model stopped unexpectedly.", retryable=True))


def deltas(*texts: str, first: int = 1) -> list[Event]:
    return [Delta(text, number) for number, text in enumerate(texts, first)]


def thoughts(*texts: str, first: int = 1) -> list[Event]:
    return [Delta(text, number, is_reasoning=True) for number, text in enumerate(texts, first)]


class ScriptedClient:
    """`say` adds events to a generation's log; whoever is attached gets them."""

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []
        self.forgotten: list[str] = []
        self.refuses_with: InferenceError | None = None
        self.logs: dict[str, list[Event]] = {}
        self.num_attached = 0
        self._changed = asyncio.Condition()
        self._is_dead = False
        self._num_drops = 0

    async def say(self, generation_id: UUID | str, *events: Event) -> None:
        self.logs.setdefault(str(generation_id), []).extend(events)
        async with self._changed:
            self._changed.notify_all()

    async def die(self) -> None:
        """The service ends: its logs are gone with it."""
        self._is_dead = True
        self.logs.clear()
        async with self._changed:
            self._changed.notify_all()

    async def drop_connections(self) -> None:
        """Whoever is attached loses the connection; the service and its logs stay."""
        self._num_drops += 1
        async with self._changed:
            self._changed.notify_all()

    async def generate(self, request: GenerationRequest) -> None:
        self.requests.append(request)
        if self.refuses_with:
            raise self.refuses_with
        self.logs.setdefault(request.generation_id, [])

    async def attach(self, generation_id: str, *, after: int = 0) -> AsyncIterator[LoggedEvent]:
        self._raise_if_gone(generation_id)
        self.num_attached += 1
        number, num_drops = after, self._num_drops

        def has_news() -> bool:
            is_cut = self._is_dead or self._num_drops > num_drops
            return is_cut or len(self.logs[generation_id]) > number

        while True:
            async with self._changed:
                await self._changed.wait_for(has_news)
            if self._is_dead or self._num_drops > num_drops:
                raise ServiceUnavailable("The inference service does not answer.")
            event = self.logs[generation_id][number]
            number += 1
            yield LoggedEvent(number, event)
            if isinstance(event, TERMINAL):
                return

    async def watch(
        self, generation_id: str, *, after: int = 0, idle_seconds: float | None
    ) -> AsyncIterator[LoggedEvent | None]:
        async for logged in self.attach(generation_id, after=after):
            yield logged

    def _raise_if_gone(self, generation_id: str) -> None:
        if self._is_dead:
            raise ServiceUnavailable("The inference service does not answer.")
        if generation_id not in self.logs:
            raise GenerationNotFound("There is no such generation.")

    async def stop(self, generation_id: str) -> None:
        if generation_id in self.logs:
            await self.say(generation_id, CANCELLED)

    async def forget(self, generation_id: str) -> None:
        self.forgotten.append(generation_id)

    async def status(self) -> ServiceStatus:
        return ServiceStatus(pid=1)
