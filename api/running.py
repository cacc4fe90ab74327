"""One generation for a program: started, read, and stopped when the program has gone.

1. It is watched for the revocation of its key from before its start to its end.
2. `close` ends it once: from the reader's `finally`, or from the response that nobody read.
3. A program that goes away has stopped, unless it said that it comes back. A web process that ends has not:
   what it leaves behind can be read on by a stream's id (`api.lingering`).
4. What it took is told once, at its real end, also when that comes after `close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from accounts import background
from api import lingering, metrics, revocation
from api.admission import Admission
from api.answer import WAITING
from inference.errors import InferenceError
from inference.types import TERMINAL, Event, Failed, Finished, Moved, Request
from models_app import engine

# An answer's status is held back for so long, as what is wrong mostly shows by then.
DECIDE_SECONDS = 3.0
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
        self._admission = admission
        self._patience = lingering.PATIENCE_SECONDS if outlives else 0.0
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._watched: revocation.Watched | None = None
        self._is_started = self._is_closed = False
        self._end: Finished | Failed | None = None
        self._model = request.model.name  # who answers

    @property
    def id(self) -> str:
        return self.request.generation_id

    async def start(self) -> None:
        """Raises InferenceError. What it started is stopped even if the caller is cancelled just now."""
        self._is_started = True
        metrics.OPEN.inc()
        self._watched = revocation.watch(self.id, self._admission.caller)
        await engine.inference_client().generate(self.request)

    async def events(self) -> AsyncIterator[Event | None]:
        """To the terminal one. None: nothing happened for a second. Raises ApiError and InferenceError."""
        with lingering.reading(self.id):
            async for logged in lingering.watched(self.id):
                revocation.check(self._watched)
                if logged is not None:
                    self._note(logged.event)
                yield None if logged is None else logged.event

    def _note(self, event: Event) -> None:
        if isinstance(event, Moved):
            self._model = event.name
        elif isinstance(event, TERMINAL):
            self._end = event

    def close(self) -> None:
        """In the event loop. Idempotent."""
        if self._is_started and not self._is_closed:
            self._is_closed = True
            background.spawn(self._wind_up(), name=f"wind up {self.id}")

    def abandon(self) -> None:
        """From any thread: the response was never read."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.close)

    async def _wind_up(self) -> None:
        end = self._end
        if end is None and not is_stopping():
            end = await lingering.until_end(self.id, patience=self._patience, hear=self._note)
        revocation.unwatch(self._watched)
        metrics.OPEN.dec()
        if self._counts:
            self._tell(end)
        if end is not None:
            _forget_in(KEPT_SECONDS if self._is_streamed else 0.0, self.id)

    def _tell(self, end: Finished | Failed | None) -> None:
        usage, timings = (end.usage, end.timings) if end else (None, None)
        self._admission.ended(
            generation_id=self.id, model=self._model, usage=usage, timings=timings
        )

    @property
    def _is_streamed(self) -> bool:
        return bool(self.request.note)


def _forget_in(seconds: float, generation_id: str) -> None:
    """Holds nothing of the request in the meantime."""

    def forget() -> None:
        background.spawn(_forget(generation_id), name=f"forget {generation_id}")

    asyncio.get_running_loop().call_later(seconds, forget)


async def _forget(generation_id: str) -> None:
    with contextlib.suppress(InferenceError):
        await engine.inference_client().forget(generation_id)


async def until_decided(events: AsyncIterator[Event | None]) -> list[Event]:
    """What came up to the first sign that the model is at it, or for a few seconds."""
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
