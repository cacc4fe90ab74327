"""One generation for a program: started, read, and stopped when the program has gone.

1. `Run` is told to the revocation watch before it starts; who loses the key loses what runs with it.
2. It ends once, by `close`: from the reader's `finally`, or from the response that nobody read.
3. A program that goes away has stopped. A web process that ends has not: what it leaves behind can be read
   on by a stream's id, and is stopped by `reconcile` if nobody comes for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from api import background, metrics, revocation
from api.admission import Admission
from api.answer import WAITING
from api.errors import ApiError
from inference.errors import InferenceError, ServiceUnavailable
from inference.types import (
    TERMINAL,
    Event,
    Failed,
    LoggedEvent,
    Request,
    Timings,
    Usage,
)
from models_app import engine

# An answer's status is held back for so long, as what is wrong mostly shows by then.
DECIDE_SECONDS = 3.0
TICK_SECONDS = 1.0
# For whoever lost the end of a stream.
KEPT_SECONDS = 300.0


class Run:
    """`outlives`: the reader may go and come back. `counts` False: it takes nothing that is counted."""

    def __init__(
        self,
        request: Request,
        admission: Admission,
        *,
        outlives: bool = False,
        counts: bool = True,
    ) -> None:
        self.request = request
        self.admission = admission
        self.cut_off: ApiError | None = None
        self._outlives = outlives
        self._counts = counts
        self._client = engine.inference_client()
        self._loop = asyncio.get_running_loop()
        self._is_started = self._is_closed = self._has_ended = False
        self._usage: Usage | None = None
        self._timings: Timings | None = None

    @property
    def id(self) -> str:
        return self.request.generation_id

    async def start(self) -> None:
        """Raises InferenceError. What it started is stopped even if the caller is cancelled just now."""
        self._is_started = True
        metrics.OPEN.inc()
        revocation.watch(self)
        try:
            await self._client.generate(self.request)
        except BaseException:
            self.close()
            raise

    async def events(self) -> AsyncIterator[Event | None]:
        """To the terminal one. None: nothing happened for a second."""
        async for logged in watched(self.id):
            if self.cut_off is not None:
                raise self.cut_off
            if logged is not None:
                self._note(logged.event)
            yield logged and logged.event

    def _note(self, event: Event) -> None:
        if isinstance(event, TERMINAL):
            self._has_ended = True
            self._usage, self._timings = event.usage, event.timings

    def close(self) -> None:
        """In the event loop. Idempotent."""
        if self._is_closed or not self._is_started:
            return
        self._is_closed = True
        metrics.OPEN.dec()
        revocation.unwatch(self)
        leaves_behind = self._outlives or is_stopping()
        if self._has_ended or not leaves_behind:
            background.spawn(self._clear_up(), name=f"clear up {self.id}")
        if self._counts:
            self.admission.ended(generation_id=self.id, usage=self._usage, timings=self._timings)

    def abandon(self) -> None:
        """From any thread: the response was never read."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.close)

    async def _clear_up(self) -> None:
        with contextlib.suppress(InferenceError):
            if not self._has_ended:
                await self._client.stop(self.id)
            elif self._is_streamed:
                await asyncio.sleep(KEPT_SECONDS)
            await self._client.forget(self.id)

    @property
    def _is_streamed(self) -> bool:
        return bool(self.request.note)


async def watched(generation_id: str) -> AsyncIterator[LoggedEvent | None]:
    """A generation's log to its end. A connection that broke is made once more."""
    client, number = engine.inference_client(), 0
    while True:
        before = number
        try:
            async for logged in client.watch(
                generation_id, after=number, idle_seconds=TICK_SECONDS
            ):
                yield logged
                number = logged.number if logged else number
            return
        except ServiceUnavailable:
            if number == before:
                raise


async def until_decided(events: AsyncIterator[Event | None]) -> list[Event]:
    """What came up to the first sign that the model is at it, or for a few seconds. Raises the error of a
    generation that failed by then."""
    came: list[Event] = []
    give_up_at = time.monotonic() + DECIDE_SECONDS
    async for event in events:
        if event is not None:
            came.append(event)
        if event is not None and not isinstance(event, WAITING):
            break
        if time.monotonic() >= give_up_at:
            break
    return came


def failure(events: list[Event]) -> Failed | None:
    return next((event for event in events if isinstance(event, Failed)), None)


_is_stopping = False


def is_stopping() -> bool:
    """The web process ends: its connections are closed by us, not by those who read."""
    return _is_stopping


def stop() -> None:
    """Said before the connections are closed."""
    global _is_stopping
    _is_stopping = True
