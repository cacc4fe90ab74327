"""What becomes of a generation whose reader has gone: stopped, at once or when nobody comes back in time."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

from accounts import background
from inference.errors import InferenceError, ServiceUnavailable
from inference.types import TERMINAL, Event, Failed, Finished, LoggedEvent
from models_app import engine

PATIENCE_SECONDS = 60.0
TICK_SECONDS = 1.0
# How the ids of programs' generations begin; those of the chat are other ones.
PREFIXES = ("chatcmpl-", "cmpl-", "msg_", "resp_", "embd-", "tokens-")

logger = logging.getLogger(__name__)
_readers: Counter[str] = Counter()


@contextlib.contextmanager
def reading(generation_id: str) -> Iterator[None]:
    _readers[generation_id] += 1
    try:
        yield
    finally:
        _readers[generation_id] -= 1
        if not _readers[generation_id]:
            del _readers[generation_id]


async def watched(generation_id: str) -> AsyncIterator[LoggedEvent | None]:
    """A generation's log to its end; None: nothing happened for a second. A connection that broke is made
    once more."""
    client, number = engine.inference_client(), 0
    while True:
        before = number
        try:
            async for logged in client.watch(
                generation_id, after=number, idle_seconds=TICK_SECONDS
            ):
                number = logged.number if logged else number
                yield logged
            return
        except ServiceUnavailable:
            if number == before:
                raise


async def until_end(
    generation_id: str, *, patience: float, hear: Callable[[Event], None] = lambda event: None
) -> Finished | Failed | None:
    """Its terminal event; None: nobody knows. Stopped once nobody has read it for so many seconds.
    `hear`: told of each event, from the first on."""
    if patience <= 0:
        await _stop(generation_id)
    alone_since, is_stopped = time.monotonic(), patience <= 0
    try:
        async for logged in watched(generation_id):
            if logged is not None:
                hear(logged.event)
            if logged is not None and isinstance(logged.event, TERMINAL):
                return logged.event
            if _readers[generation_id]:
                alone_since = time.monotonic()
            elif not is_stopped and time.monotonic() - alone_since >= patience:
                is_stopped = True
                await _stop(generation_id)
    except InferenceError as error:
        logger.info("lost generation=%s reason=%s", generation_id, error)
    return None


async def reconcile() -> None:
    """Called once, at start: what an earlier web process left behind goes on for those who come back."""
    with contextlib.suppress(InferenceError):
        status = await engine.inference_client().status()
        for generation_id in status.generations:
            if generation_id.startswith(PREFIXES):
                background.spawn(_reconcile(generation_id), name=f"linger {generation_id}")


async def _reconcile(generation_id: str) -> None:
    """What is not streamed nobody can come back for."""
    note = await engine.inference_client().recall(generation_id)
    await until_end(generation_id, patience=PATIENCE_SECONDS if note else 0)


async def _stop(generation_id: str) -> None:
    with contextlib.suppress(InferenceError):
        await engine.inference_client().stop(generation_id)
