"""The messages of one connection as they come, for a reader in the event loop that may wait for long.

A stream of tokens is many small frames. Each took two reads of asyncio's streams and a timeout of its own,
which cost more than to decode it: here a frame is found in what has come, and one timer is for all of them.
"""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar, cast

from inference.wire import HEADER_BYTES, Decoder, FrameTooLarge, WireError, size_in

M = TypeVar("M")
# So much waits here for a slow reader; more waits at the other side.
MOST_WAITING_BYTES = 256 * 1024


class Incoming(asyncio.Protocol, Generic[M]):
    """`idle_seconds` None: no message is waited for without end. One reader at a time."""

    def __init__(self, decoder: Decoder[M], *, idle_seconds: float | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._decoder = decoder
        self._idle_seconds = idle_seconds
        self._bytes = bytearray()
        self._is_paused = self._is_over = self._has_come = False
        self._woken: asyncio.Future[bool] | None = None
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    def send(self, frame: bytes) -> None:
        self._transport.write(frame)

    async def next(self) -> M | None:
        """None: nothing came for `idle_seconds`, or for up to twice as long. Raises ConnectionError when the
        other side has closed between two messages, else WireError."""
        while (payload := self._taken()) is None:
            if self._is_over and self._bytes:
                raise WireError("The connection closed inside a frame.")
            if self._is_over:
                raise ConnectionResetError("The connection was closed.")
            if not await self._news():
                return None
        return self._decoder.decode(payload)

    async def close(self) -> None:
        self._transport.close()
        await self._lost

    # -- what the event loop calls ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._tick()

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        self._has_come = True
        self._wake(True)
        if not self._is_paused and self._is_enough():
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._is_over = True
        self._wake(True)

    def connection_lost(self, error: Exception | None) -> None:
        self.eof_received()
        if self._timer:
            self._timer.cancel()
        if not self._lost.done():
            self._lost.set_result(None)

    # -----------------------------------------------------------------------------------------------

    def _size(self) -> int | None:
        """Of the first frame with its header; None: it is not whole. Raises FrameTooLarge."""
        if len(self._bytes) < HEADER_BYTES:
            return None
        end = HEADER_BYTES + size_in(self._bytes[:HEADER_BYTES])
        return end if len(self._bytes) >= end else None

    def _is_enough(self) -> bool:
        """Much has come, and not only a part of one long frame."""
        if len(self._bytes) <= MOST_WAITING_BYTES:
            return False
        try:
            return self._size() is not None
        except FrameTooLarge:  # the reader is told of it
            return True

    def _taken(self) -> bytes | None:
        end = self._size()
        if end is None:
            return None
        payload = bytes(self._bytes[HEADER_BYTES:end])
        del self._bytes[:end]
        if self._is_paused and not self._is_enough():
            self._is_paused = False
            self._transport.resume_reading()
        return payload

    async def _news(self) -> bool:
        """False: nothing came."""
        self._woken = self._loop.create_future()
        try:
            return await self._woken
        finally:
            self._woken = None

    def _wake(self, is_news: bool) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(is_news)

    def _tick(self) -> None:
        """Each `idle_seconds`: whoever waited through all of the last ones is told so."""
        if self._idle_seconds is None:
            return
        if self._timer and not self._has_come:
            self._wake(False)
        self._has_come = False
        self._timer = self._loop.call_later(self._idle_seconds, self._tick)
