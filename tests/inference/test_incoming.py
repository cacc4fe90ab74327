"""The same frames as everywhere, for one who waits: nothing is lost, and nobody's memory fills."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from itertools import pairwise
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.incoming import MOST_WAITING_BYTES, Incoming
from inference.messages import Attach, Command
from inference.wire import MAX_FRAME_BYTES, Decoder, FrameTooLarge, WireError, encode_frame

COMMANDS = Decoder[Command](Command)


@contextlib.asynccontextmanager
async def connected(
    *, idle_seconds: float | None = None
) -> AsyncIterator[tuple[socket.socket, Incoming[Command]]]:
    """The socket of the other side, and what comes from it."""
    there, here = socket.socketpair()
    _, incoming = await asyncio.get_running_loop().create_connection(
        lambda: Incoming(COMMANDS, idle_seconds=idle_seconds), sock=here
    )
    with there:
        yield there, incoming
        await incoming.close()


async def read_all(pieces: list[bytes]) -> list[Command | None]:
    messages: list[Command | None] = []
    async with connected() as (there, incoming):
        sending = Thread(target=send_and_close, args=(there, pieces))
        sending.start()
        with contextlib.suppress(ConnectionError):
            while True:
                messages.append(await incoming.next())
        sending.join()
    return messages


def send_and_close(there: socket.socket, pieces: list[bytes]) -> None:
    for piece in pieces:
        there.sendall(piece)
    there.shutdown(socket.SHUT_WR)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.builds(Attach, st.text(), st.integers(0, 2**60)), max_size=5),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_messages_arrive_whole_for_every_cut_of_the_stream(messages, cuts):
    stream = b"".join(encode_frame(message) for message in messages)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]

    assert asyncio.run(read_all([stream[a:b] for a, b in pairwise(edges)])) == messages


async def test_a_message_of_the_greatest_length_arrives():
    message = Attach("x" * (MAX_FRAME_BYTES - 100), 1)

    assert await asyncio.wait_for(read_all([encode_frame(message)]), 10) == [message]


async def test_one_that_is_too_long_is_refused_before_it_has_come():
    async with connected() as (there, incoming):
        there.sendall(struct.pack(">I", MAX_FRAME_BYTES + 1))

        with pytest.raises(FrameTooLarge):
            await incoming.next()


async def test_a_connection_that_ends_inside_a_frame_is_no_end_of_messages():
    with pytest.raises(WireError, match="inside a frame"):
        await read_all([encode_frame(Attach("a", 1))[:-1]])


async def test_while_nothing_comes_the_reader_is_told_and_what_comes_later_arrives():
    async with connected(idle_seconds=0.05) as (there, incoming):
        idle = [await asyncio.wait_for(incoming.next(), 5) for _ in range(3)]
        there.sendall(encode_frame(Attach("late", 7)))
        late = await incoming.next()

    assert idle == [None] * 3
    assert late == Attach("late", 7)


async def test_who_has_much_to_say_is_not_told_of_silence():
    async with connected(idle_seconds=0.2) as (there, incoming):
        for number in range(20):
            there.sendall(encode_frame(Attach("a", number)))
            await asyncio.sleep(0.03)
            assert await incoming.next() == Attach("a", number)


async def test_a_reader_that_is_interrupted_has_lost_nothing():
    async with connected() as (there, incoming):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(incoming.next(), 0.05)
        there.sendall(encode_frame(Attach("a", 1)))

        assert await incoming.next() == Attach("a", 1)


async def test_what_a_slow_reader_has_not_read_waits_at_the_other_side():
    frame = encode_frame(Attach("x" * 10_000, 1))
    number = 40 * MOST_WAITING_BYTES // len(frame)
    async with connected() as (there, incoming):
        sending = Thread(target=send_and_close, args=(there, [frame] * number))
        sending.start()
        await asyncio.sleep(0.3)
        held = len(incoming._bytes)
        messages = [await incoming.next() for _ in range(number)]
        sending.join()

    assert MOST_WAITING_BYTES < held < 2 * MOST_WAITING_BYTES
    assert messages == [Attach("x" * 10_000, 1)] * number
