"""Recorders: one task for each running generation, which folds its log into the message row.

1. Start the generation (a new turn) or not (it is running already), then attach to its log.
2. Every event goes into the LiveAnswer that open pages read.
3. About once a second what is there is checkpointed; the first event at once.
4. The end is written in one transaction, conditional on the state; only then is the log forgotten.
5. A recorder that is cancelled (the web process stops) leaves the row running, with its text: the
   log is replayed from its first event when the next web process reconciles.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from uuid import UUID

from django.db import DatabaseError

from accounts import background
from accounts.database import in_database
from chat import pages, settling
from chat.live import LiveAnswer
from chat.models import Message
from chat.settling import Ending
from inference.client import InferenceClient
from inference.errors import GenerationNotFound, InferenceError, ServiceUnavailable
from inference.types import TERMINAL, Failed, Finished, GenerationRequest
from models_app import engine

logger = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 1.0
STORE_RETRY_SECONDS = (0.5, 2.0, 5.0, 10.0)
BROKEN_OFF = "The answer broke off. What was there is kept. Try again."

_recorders: dict[UUID, Recorder] = {}


def live_answer(message_id: UUID) -> LiveAnswer | None:
    """The running answer of this process, if it is one."""
    recorder = _recorders.get(message_id)
    return recorder.answer if recorder else None


def record(message: Message, *, request: GenerationRequest | None = None) -> None:
    """Begin to record; once for each message. `request` None: the generation has been started."""
    if message.pk in _recorders:
        return
    recorder = Recorder(message, client=engine.inference_client())
    _recorders[message.pk] = recorder
    recorder.task = background.spawn(recorder.run(request), name=f"record {message.pk}")


async def close() -> None:
    """End all recorders, with what they hold checkpointed. For the shutdown of the process."""
    tasks = [recorder.task for recorder in _recorders.values() if recorder.task]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Recorder:
    def __init__(self, message: Message, *, client: InferenceClient) -> None:
        self.answer = LiveAnswer(message)
        self.task: asyncio.Task[None] | None = None
        self._client = client
        self._generation_id = str(message.pk)
        self._last_number = 0
        self._dirty = asyncio.Event()

    async def run(self, request: GenerationRequest | None) -> None:
        try:
            async with self._checkpoints():
                ending = await self._ending(request)
            await self._store(ending)
        finally:
            _recorders.pop(self.answer.message_id, None)

    async def _ending(self, request: GenerationRequest | None) -> Ending:
        """Follow the generation to its end, whatever that is."""
        try:
            if request:
                await self._client.generate(request)
            return Ending.of(await self._follow())
        except InferenceError as error:
            return Ending.of(Failed(error.info))
        except Exception:
            logger.exception("recorder failed message=%s", self._generation_id)
            return Ending.of(Failed(GenerationNotFound(BROKEN_OFF).info))

    async def _follow(self) -> Finished | Failed:
        """The terminal event. A connection that broke is made once more before it counts as lost."""
        while True:
            number = self._last_number
            try:
                return await self._read_log()
            except ServiceUnavailable:
                if self._last_number == number:
                    raise
            except GenerationNotFound as error:
                raise GenerationNotFound(BROKEN_OFF) from error

    async def _read_log(self) -> Finished | Failed:
        events = self._client.attach(self._generation_id, after=self._last_number)
        async for logged in events:
            self._last_number = logged.number
            if isinstance(logged.event, TERMINAL):
                return logged.event
            self.answer.apply(logged.event)
            self._dirty.set()
            pages.answer_changed(self.answer.conversation_id)
        raise ServiceUnavailable(BROKEN_OFF)

    @contextlib.asynccontextmanager
    async def _checkpoints(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._checkpoint_for_ever())
        try:
            yield
        except asyncio.CancelledError:
            await asyncio.shield(self._checkpoint())
            raise
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _checkpoint_for_ever(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._checkpoint()
            await asyncio.sleep(CHECKPOINT_SECONDS)

    async def _checkpoint(self) -> None:
        state, written = self.answer.state, self.answer.written
        try:
            await _checkpoint(self.answer.message_id, state=state, written=written)
        except DatabaseError:
            logger.exception("checkpoint failed message=%s", self._generation_id)

    async def _store(self, ending: Ending) -> None:
        message = await self._settle(ending)
        self.answer.settle(message)
        pages.conversation_changed(self.answer.conversation_id)
        with contextlib.suppress(InferenceError):
            await self._client.forget(self._generation_id)

    async def _settle(self, ending: Ending) -> Message | None:
        """The log is still there, so a database that is busy may be waited for."""
        for seconds in STORE_RETRY_SECONDS:
            try:
                return await self._settle_once(ending)
            except DatabaseError:
                logger.exception("storing failed message=%s", self._generation_id)
                await asyncio.sleep(seconds)
        return await self._settle_once(ending)

    async def _settle_once(self, ending: Ending) -> Message | None:
        return await _settle(self.answer.message_id, written=self.answer.written, ending=ending)


_checkpoint = in_database(settling.checkpoint)
_settle = in_database(settling.settle)
