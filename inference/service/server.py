"""The service's door: a unix socket, one command a connection. Knows nothing of models.

Only this user may connect (mode 0600), and only one service may have the socket: a lock beside it
belongs to whoever runs, and the system takes it back when that process dies, however it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path

import msgspec

from inference.errors import InferenceError, InvalidRequest, Overloaded
from inference.messages import (
    Attach,
    Command,
    DetailsReply,
    Done,
    Foresee,
    Forget,
    Generate,
    GetDetails,
    GetStatus,
    Load,
    PlanReply,
    Refused,
    StatusReply,
    Stop,
    Unload,
)
from inference.service.service import InferenceService
from inference.wire import Decoder, WireError, encode_frame, read_frame

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 512
COMMAND_SECONDS = 10.0
# What may lie unsent for a reader that is slow; the log keeps the rest.
_WRITE_BUFFER_BYTES = 64 * 1024
_LAST_WORDS_SECONDS = 1.0

_COMMANDS = Decoder[Command](Command)


class SocketTaken(Exception):
    """Another inference service already answers at this socket."""


class Server:
    """`async with Server(service, path)`: answering inside, closed and cleaned up behind."""

    def __init__(self, service: InferenceService, path: Path) -> None:
        self._service = service
        self._path = path
        self._connections: set[asyncio.Task[None]] = set()
        self._cleanup = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Server:
        """Raises SocketTaken and OSError."""
        async with contextlib.AsyncExitStack() as cleanup:
            cleanup.enter_context(_lock(self._path))
            listening = _bind(self._path)
            cleanup.callback(self._path.unlink, missing_ok=True)
            server = await asyncio.start_unix_server(self._connected, sock=listening)
            cleanup.push_async_callback(self._let_go)
            cleanup.callback(server.close)
            self._cleanup = cleanup.pop_all()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._cleanup.aclose()

    async def _let_go(self) -> None:
        """Readers have the terminal event in their log by now: let them get it, but not for long."""
        if self._connections:
            await asyncio.wait(self._connections, timeout=_LAST_WORDS_SECONDS)
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client left, or we do
        except Exception:
            logger.exception("a connection failed")
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        try:
            if len(self._connections) > MAX_CONNECTIONS:
                raise _too_many()
            async with asyncio.timeout(COMMAND_SECONDS):
                command = await read_frame(reader, _COMMANDS)
            if command is not None:
                await self._answer(command, reader, writer)
        except InferenceError as error:
            await _send(writer, Refused(error.info))
        except WireError as error:
            await _send(writer, Refused(InvalidRequest(str(error)).info))
        except TimeoutError:
            await _send(writer, Refused(InvalidRequest("No command came.").info))

    async def _answer(
        self, command: Command, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        match command:
            case Attach(generation_id=generation_id, after=after):
                frames = self._service.attach(generation_id, after=after)
                await _while_connected(reader, _stream(frames, writer))
            case GetStatus():
                await _send(writer, StatusReply(self._service.status()))
            case Foresee(spec=spec):
                await _send(writer, PlanReply(await self._service.foresee(spec)))
            case GetDetails(model_id=model_id):
                await _send(writer, DetailsReply(self._service.details(model_id)))
            case _:
                self._carry_out(command)
                await _send(writer, Done())

    def _carry_out(self, command: Generate | Stop | Forget | Load | Unload) -> None:
        match command:
            case Generate(request=request):
                self._service.generate(request)
            case Stop(generation_id=generation_id):
                self._service.stop(generation_id)
            case Forget(generation_id=generation_id):
                self._service.forget(generation_id)
            case Load(spec=spec):
                self._service.load(spec)
            case Unload(model_id=model_id, if_idle=if_idle):
                self._service.unload(model_id, if_idle=if_idle)


async def _stream(frames: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
    async for part in frames:
        writer.write(part)
        await writer.drain()


async def _while_connected(
    reader: asyncio.StreamReader, streaming: Coroutine[object, object, None]
) -> None:
    """Until it is done or the client closes: a reader that left must not stay in memory."""
    tasks = {asyncio.create_task(streaming), asyncio.create_task(_closed(reader))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _closed(reader: asyncio.StreamReader) -> None:
    """Nothing more is expected from an attached reader; whatever it sends is dropped."""
    while await reader.read(1024):
        pass


async def _send(writer: asyncio.StreamWriter, reply: msgspec.Struct) -> None:
    writer.write(encode_frame(reply))
    await writer.drain()


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SocketTaken("Another inference service already runs on this socket.") from error
    try:
        yield
    finally:
        os.close(descriptor)


def _bind(path: Path) -> socket.socket:
    """With the lock held, a socket file in the way is one that its owner left when it was killed."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def _too_many() -> Overloaded:
    return Overloaded(
        f"{MAX_CONNECTIONS} connections are open. Try again in a moment.",
        queue_length=MAX_CONNECTIONS,
    )
