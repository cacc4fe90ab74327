"""The runner of a remote model: it computes nothing, and passes on what its server says.

One event loop in the runner's main thread, one task for each request. Cancelling a task closes its
connection, which is how servers are told to stop. A server that is gone ends the runner: then the service
does what it does when any model's process dies.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress

import httpx2

from inference.errors import InferenceError
from inference.messages import (
    Cancel,
    Embed,
    Emitted,
    Loaded,
    LoadModel,
    LoadProgress,
    RunnerCommand,
    RunnerReport,
    Start,
    Tokenize,
)
from inference.remote.answer import Answer
from inference.remote.capabilities import REMOTE
from inference.remote.completing import Completing
from inference.remote.embedding import vectors_of
from inference.remote.http import client
from inference.remote.listing import found_model
from inference.remote.reachability import Reachability
from inference.remote.servers import kind_of
from inference.remote.tokens import tokens_of
from inference.remote.wording import named
from inference.types import Event, Failed, Finished, FinishReason, Timings, Usage

logger = logging.getLogger(__name__)

WATCH_SECONDS = 1.0


class Relay:
    """`num_steps` grows as long as its loop goes round, which has a deadline for whatever it waits for."""

    num_waiting = 0

    def __init__(self, command: LoadModel, report: Callable[[RunnerReport], None]) -> None:
        assert command.spec.remote is not None
        self._endpoint = command.spec.remote
        self._command = command
        self._report = report
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_loaded = False
        self.num_steps = 0

    @property
    def num_running(self) -> int:
        return len(self._tasks)

    def run(self) -> None:
        """Until the server is gone. Raises InferenceError, which says why."""
        try:
            asyncio.run(self._run())
        except InferenceError as error:
            raise named(error, self._endpoint) from error

    def post(self, command: RunnerCommand) -> None:
        """From any thread, once it is loaded."""
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has ended with its server
            self._loop.call_soon_threadsafe(self._take, command)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with client(self._endpoint.base_url, self._endpoint.key) as server:
            await self._load(server)
            watch = asyncio.create_task(self._watch())
            gone = await self._reachability.until_gone()
            for task in (watch, *self._tasks.values()):
                task.cancel()
            await asyncio.gather(watch, *self._tasks.values(), return_exceptions=True)
        raise gone

    async def _load(self, server: httpx2.AsyncClient) -> None:
        self._report(LoadProgress(0.0))
        found = await found_model(server, self._endpoint.model)
        self._server = server
        self._reachability = Reachability(lambda: found_model(server, self._endpoint.model))
        self._kind = kind_of(found.owned_by)
        name = self._endpoint.server_name
        self._report(LoadProgress(1.0))
        self.is_loaded = True
        self._report(
            Loaded(
                device=REMOTE.devices[0] + (f": {name}" if name else ""),
                context_window=found.context_window or self._command.spec.context_window or 0,
                engine=f"{REMOTE.name} ({self._kind.name})",
            )
        )

    async def _watch(self) -> None:
        while True:
            self.num_steps += 1
            await asyncio.sleep(WATCH_SECONDS)

    # -- requests -------------------------------------------------------------------------------

    def _take(self, command: RunnerCommand) -> None:
        match command:
            case Start():
                self._begin(command, self._complete(command))
            case Embed():
                self._begin(command, self._embed(command))
            case Tokenize():
                self._begin(command, self._tokenize(command))
            case Cancel(generation_id) if generation_id in self._tasks:
                self._tasks[generation_id].cancel()

    def _begin(self, command: Start | Embed | Tokenize, work: Coroutine[None, None, None]) -> None:
        name = command.generation_id
        logger.info("relaying generation=%s request=%s", name, command.request_id or "-")
        self._tasks[name] = task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _complete(self, start: Start) -> None:
        answer = Answer(start, separates=self._kind.separates, clock=time.monotonic)
        completing = Completing(
            self._server,
            model=self._endpoint.model,
            kind=self._kind,
            silence_seconds=self._command.settings.silence_seconds,
        )
        try:
            with self._reachability.during_request():
                async for event in completing.events(start, answer):
                    self.num_steps += 1
                    self._emit(start.generation_id, event)
        except asyncio.CancelledError:
            self._emit(start.generation_id, self._end_of(answer))
        except Exception as error:
            failure = self._failure(start, error)
            self._emit(start.generation_id, answer.failed(failure))

    def _end_of(self, answer: Answer) -> Event:
        """Of one that was cancelled, or that ends with the server."""
        gone = self._reachability.error
        return answer.failed(named(gone, self._endpoint)) if gone else answer.cancelled()

    async def _embed(self, embed: Embed) -> None:
        async def work() -> int:
            given, usage = await vectors_of(self._server, embed, model=self._endpoint.model)
            for vector in given:
                self._emit(embed.generation_id, vector)
            return usage

        await self._answer(embed, work)

    async def _tokenize(self, command: Tokenize) -> None:
        async def work() -> int:
            found = await tokens_of(
                self._server, command, model=self._endpoint.model, kind=self._kind
            )
            self._emit(command.generation_id, found)
            return found.count

        await self._answer(command, work)

    async def _answer(
        self, command: Embed | Tokenize, work: Callable[[], Coroutine[None, None, int]]
    ) -> None:
        """`work` tells how many tokens there were."""
        began_at = time.monotonic()
        reason, count = FinishReason.STOP, 0
        try:
            with self._reachability.during_request():
                count = await work()
        except asyncio.CancelledError:
            reason = FinishReason.CANCELLED
        except Exception as error:
            self._emit(command.generation_id, Failed(self._failure(command, error).info))
            return
        usage = Usage(prompt_tokens=count, completion_tokens=0)
        timings = Timings(time_to_first_token=None, decode=0.0, total=time.monotonic() - began_at)
        self._emit(command.generation_id, Finished(reason, usage, timings))

    def _failure(self, command: Start | Embed | Tokenize, error: Exception) -> InferenceError:
        if isinstance(error, InferenceError):
            return named(error, self._endpoint)
        logger.error("relaying failed generation=%s", command.generation_id, exc_info=error)
        return InferenceError("The answer of the server could not be passed on.")

    def _emit(self, generation_id: str, event: Event) -> None:
        self._report(Emitted(generation_id, event))
