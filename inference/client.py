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
from inference.wire import Decoder, FrameTooLarge, WireError, encode_frame, read_frame

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
        command = Attach(generation_id, after)
        give_up_at = time.monotonic() + self._timeout
        try:
            async with self._connection(command, give_up_at) as reader:
                async for event in _events(reader):
                    yield event
        except _Broken as error:
            raise _unavailable() from error

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
                        async with self._connection(command, give_up_at) as reader:
                            return await _reply(reader)
                    except _Broken:
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError as error:
            raise _unavailable() from error

    @contextlib.asynccontextmanager
    async def _connection(
        self, command: Command, give_up_at: float
    ) -> AsyncIterator[asyncio.StreamReader]:
        frame = _frame(command)
        reader, writer = await self._connect(give_up_at)
        try:
            writer.write(frame)
            yield reader
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connect(
        self, give_up_at: float
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            try:
                return await asyncio.open_unix_connection(self._socket_path)
            except OSError as error:
                if time.monotonic() >= give_up_at:
                    raise _unavailable() from error
            await asyncio.sleep(RETRY_SECONDS)


class _Broken(Exception):
    """The connection ended before what was promised."""


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[LoggedEvent]:
    while True:
        reply = await _reply(reader)
        if not isinstance(reply, Logged):
            raise _unexpected(reply)
        yield reply.event
        if isinstance(reply.event.event, TERMINAL):
            return


async def _reply(reader: asyncio.StreamReader) -> Reply:
    """Raises the error that the service answered with, or _Broken."""
    try:
        reply = await read_frame(reader, _REPLIES)
    except ConnectionError as error:
        raise _Broken from error
    except WireError as error:
        raise ServiceUnavailable(str(error)) from error
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
