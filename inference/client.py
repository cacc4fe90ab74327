"""The one door to inference: what web, worker and commands call. Never imports an ML library.

Contract (implemented over a unix socket, see `inference.wire`). Each call opens its own connection,
so a client has no state, needs no closing, and may be used from any task of any process.
Every method raises ServiceUnavailable when nobody answers at `socket_path` within `timeout` seconds
(a restarting service is waited for that long), and the error of the tree the service answered with.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from inference.errors import InvalidRequest, ServiceUnavailable, error_from
from inference.incoming import Incoming
from inference.messages import (
    Attach,
    Command,
    DetailsReply,
    Foresee,
    Forget,
    Generate,
    GetDetails,
    GetStatus,
    Load,
    Logged,
    PlanReply,
    Recall,
    Recalled,
    Refused,
    Reply,
    StatusReply,
    Stop,
    Unload,
)
from inference.types import (
    TERMINAL,
    LoadPlan,
    LoggedEvent,
    ModelDetails,
    ModelSpec,
    Request,
    ServiceStatus,
)
from inference.wire import Decoder, FrameTooLarge, WireError, encode_frame

RETRY_SECONDS = 0.05

_REPLIES = Decoder[Reply](Reply)


class InferenceClient:
    def __init__(self, socket_path: Path, *, timeout: float = 5.0) -> None:
        self._socket_path = socket_path
        self._timeout = timeout

    async def generate(self, request: Request) -> None:
        """Start a generation, or embeddings (once per `generation_id`) and return at once; read it by `attach`."""
        await self._ask(Generate(request))

    async def attach(self, generation_id: str, *, after: int = 0) -> AsyncIterator[LoggedEvent]:
        """Every event with a number above `after`, past ones first, ending with the terminal one.

        Raises GenerationNotFound, and ServiceUnavailable when the service dies in between.
        """
        async for event in self.watch(generation_id, after=after, idle_seconds=None):
            if event is not None:
                yield event

    async def watch(
        self, generation_id: str, *, after: int = 0, idle_seconds: float | None
    ) -> AsyncIterator[LoggedEvent | None]:
        """As `attach`, with None whenever nothing happened for `idle_seconds`, or for up to twice as long."""
        command = Attach(generation_id, after)
        give_up_at = time.monotonic() + self._timeout
        try:
            async with self._connection(command, give_up_at, idle_seconds) as incoming:
                async for event in _events(incoming):
                    yield event
        except _Broken as error:
            raise _unavailable() from error

    async def recall(self, generation_id: str) -> bytes:
        """The `note` of its request. Raises GenerationNotFound."""
        reply = await self._ask(Recall(generation_id))
        if not isinstance(reply, Recalled):
            raise _unexpected(reply)
        return reply.note

    async def stop(self, generation_id: str) -> None:
        """End a generation wherever it is; its log ends with Finished(CANCELLED). Idempotent."""
        await self._ask(Stop(generation_id))

    async def forget(self, generation_id: str) -> None:
        """The caller has stored the result: drop the log of an ended generation. Idempotent."""
        await self._ask(Forget(generation_id))

    async def load(self, spec: ModelSpec) -> None:
        """Begin to load (or join a load) and return at once; watch it in `status`."""
        await self._ask(Load(spec))

    async def unload(self, model_id: str, *, if_idle: bool = False) -> None:
        """Take the model out of memory; its running generations end as failed. Idempotent.

        `if_idle`: while it has any, nothing happens.
        """
        await self._ask(Unload(model_id, if_idle))

    async def foresee(self, spec: ModelSpec) -> LoadPlan:
        """What `load` would do to the others now."""
        reply = await self._ask(Foresee(spec))
        if not isinstance(reply, PlanReply):
            raise _unexpected(reply)
        return reply.plan

    async def status(self) -> ServiceStatus:
        reply = await self._ask(GetStatus())
        if not isinstance(reply, StatusReply):
            raise _unexpected(reply)
        return reply.status

    async def details(self, model_id: str) -> ModelDetails:
        """Of one model, loaded or not. For administrators only: a runner's log may name paths."""
        reply = await self._ask(GetDetails(model_id))
        if not isinstance(reply, DetailsReply):
            raise _unexpected(reply)
        return reply.details

    async def _ask(self, command: Command) -> Reply:
        """One command, one reply. Every command may be sent twice, so one that a dying service
        took along is sent again to the next."""
        give_up_at = time.monotonic() + self._timeout
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    try:
                        async with self._connection(command, give_up_at) as incoming:
                            return _told(await _next(incoming))
                    except _Broken:
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError as error:
            raise _unavailable() from error

    @contextlib.asynccontextmanager
    async def _connection(
        self, command: Command, give_up_at: float, idle_seconds: float | None = None
    ) -> AsyncIterator[Incoming[Reply]]:
        frame = _frame(command)
        incoming = await self._connect(give_up_at, idle_seconds)
        try:
            incoming.send(frame)
            yield incoming
        finally:
            await incoming.close()

    async def _connect(self, give_up_at: float, idle_seconds: float | None) -> Incoming[Reply]:
        while True:
            try:
                _, incoming = await asyncio.get_running_loop().create_unix_connection(
                    lambda: Incoming(_REPLIES, idle_seconds=idle_seconds), str(self._socket_path)
                )
                return incoming
            except OSError as error:
                if time.monotonic() >= give_up_at:
                    raise _unavailable() from error
            await asyncio.sleep(RETRY_SECONDS)


class _Broken(Exception):
    """The connection ended before what was promised."""


async def _events(incoming: Incoming[Reply]) -> AsyncIterator[LoggedEvent | None]:
    while True:
        message = await _next(incoming)
        if message is None:
            yield None
            continue
        reply = _told(message)
        if not isinstance(reply, Logged):
            raise _unexpected(reply)
        yield reply.event
        if isinstance(reply.event.event, TERMINAL):
            return


async def _next(incoming: Incoming[Reply]) -> Reply | None:
    """None: nothing came for a while. Raises _Broken."""
    try:
        return await incoming.next()
    except ConnectionError as error:
        raise _Broken from error
    except WireError as error:
        raise ServiceUnavailable(str(error)) from error


def _told(reply: Reply | None) -> Reply:
    """Raises the error that the service answered with."""
    if reply is None:
        raise _Broken
    if isinstance(reply, Refused):
        raise error_from(reply.error)
    return reply


def _frame(command: Command) -> bytes:
    try:
        return encode_frame(command)
    except FrameTooLarge as error:
        raise InvalidRequest(
            "This is too long: 4 MiB are taken at once. Shorten it, or start a new chat."
        ) from error


def _unavailable() -> ServiceUnavailable:
    return ServiceUnavailable("The inference service does not answer. Try again in a moment.")


def _unexpected(reply: Reply) -> ServiceUnavailable:
    return ServiceUnavailable(f"The inference service gave an unexpected reply: {type(reply)}.")
