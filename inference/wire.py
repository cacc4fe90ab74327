"""Frames: how a message travels over a socket between web, service and runner.

A frame is four bytes of big-endian length, then msgpack of `{version, message}`. Messages are the
tagged structs of `inference.messages`; this module knows none of them. Each end says which union
it expects by its `Decoder`. Reading exists twice, for asyncio streams and for blocking sockets;
`inference.incoming` is a third way, for those who read long streams.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Generic, TypeVar

import msgspec

WIRE_VERSION = 1
MAX_FRAME_BYTES = 4 * 1024 * 1024

_LENGTH = struct.Struct(">I")
HEADER_BYTES = _LENGTH.size

M = TypeVar("M")


class WireError(Exception):
    """What arrived is not a frame of ours. The connection is of no more use: close it."""


class FrameTooLarge(WireError):
    """`size` and `limit` in bytes. Raised before anything of the frame was sent or stored."""

    def __init__(self, size: int, limit: int = MAX_FRAME_BYTES) -> None:
        super().__init__(f"A frame of {size:,} bytes is over the limit of {limit:,}.")
        self.size = size
        self.limit = limit


class WrongVersion(WireError):
    def __init__(self, version: int) -> None:
        super().__init__(
            f"The other side speaks version {version} of the protocol, this one {WIRE_VERSION}. "
            "Restart Minerva, so that all of its processes are of one version."
        )
        self.version = version


class _Envelope(msgspec.Struct):
    version: int
    message: msgspec.Raw


class Decoder(Generic[M]):
    """Turns the payload of a frame into a message of one union: `Decoder[Command](Command)`."""

    def __init__(self, message_type: Any) -> None:
        self._envelope = msgspec.msgpack.Decoder(_Envelope)
        self._message: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(message_type)

    def decode(self, payload: bytes) -> M:
        try:
            envelope = self._envelope.decode(payload)
            if envelope.version != WIRE_VERSION:
                raise WrongVersion(envelope.version)
            return self._message.decode(envelope.message)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise WireError(f"A frame could not be understood: {error}") from error


_encoder = msgspec.msgpack.Encoder()


def encode_frame(message: msgspec.Struct) -> bytes:
    """The whole frame, ready to be written. Raises FrameTooLarge."""
    envelope = _Envelope(WIRE_VERSION, msgspec.Raw(_encoder.encode(message)))
    payload = _encoder.encode(envelope)
    _check_size(len(payload))
    return _LENGTH.pack(len(payload)) + payload


async def read_frame(reader: asyncio.StreamReader, decoder: Decoder[M]) -> M | None:
    """The next message; None when the other side closed between two frames."""
    try:
        header = await reader.readexactly(HEADER_BYTES)
        payload = await reader.readexactly(size_in(header))
    except asyncio.IncompleteReadError as error:
        if not error.partial and error.expected == HEADER_BYTES:
            return None
        raise WireError("The connection closed inside a frame.") from error
    return decoder.decode(payload)


def receive_frame(connection: socket.socket, decoder: Decoder[M]) -> M | None:
    """`read_frame` for a blocking socket."""
    header = _receive_exactly(connection, HEADER_BYTES)
    if not header:
        return None
    if len(header) < HEADER_BYTES:
        raise WireError("The connection closed inside a frame.")
    size = size_in(header)
    payload = _receive_exactly(connection, size)
    if len(payload) < size:
        raise WireError("The connection closed inside a frame.")
    return decoder.decode(payload)


def send_frame(connection: socket.socket, message: msgspec.Struct) -> None:
    """Write a whole frame to a blocking socket. One thread at a time: frames must not interleave."""
    connection.sendall(encode_frame(message))


def size_in(header: bytes | bytearray) -> int:
    """Of the payload. Raises FrameTooLarge."""
    size: int = _LENGTH.unpack(header)[0]
    _check_size(size)
    return size


def _check_size(size: int) -> None:
    if size > MAX_FRAME_BYTES:
        raise FrameTooLarge(size)


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    """`count` bytes, or fewer when the other side closed."""
    received = bytearray()
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            break
        received += part
    return bytes(received)
