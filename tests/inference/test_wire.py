"""Framing: every message survives every cut, and nothing else gets through."""

from __future__ import annotations

import asyncio
import socket
import struct
from itertools import pairwise
from threading import Thread

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.messages import Attach, Command, Generate
from inference.types import ChatMessage, GenerationRequest, ModelSpec
from inference.wire import (
    MAX_FRAME_BYTES,
    Decoder,
    FrameTooLarge,
    WireError,
    WrongVersion,
    encode_frame,
    read_frame,
    receive_frame,
    send_frame,
)

COMMANDS = Decoder[Command](Command)

attaches = st.builds(Attach, st.text(), st.integers(0, 2**60))


def generate_of(text: str) -> Generate:
    spec = ModelSpec(model_id="m", name="Model", path="/models/m.gguf")
    messages = (ChatMessage("user", text),)
    return Generate(GenerationRequest(generation_id="g", model=spec, messages=messages))


async def read_all(pieces: list[bytes]) -> list[Command]:
    reader = asyncio.StreamReader()
    for piece in pieces:
        reader.feed_data(piece)
    reader.feed_eof()
    messages = []
    while (message := await read_frame(reader, COMMANDS)) is not None:
        messages.append(message)
    return messages


def read_payload(payload: bytes) -> list[Command]:
    return asyncio.run(read_all([struct.pack(">I", len(payload)) + payload]))


@given(st.lists(attaches, max_size=5), st.lists(st.integers(0, 400), max_size=6))
def test_messages_arrive_whole_for_every_cut_of_the_stream(messages, cuts):
    stream = b"".join(encode_frame(message) for message in messages)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]

    assert asyncio.run(read_all(pieces)) == messages


@given(st.lists(attaches, max_size=5))
def test_messages_arrive_whole_over_a_blocking_socket(messages):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for message in messages:
            send_frame(ours, message)
        ours.shutdown(socket.SHUT_WR)

        received = [receive_frame(theirs, COMMANDS) for _ in messages]

        assert received == messages
        assert receive_frame(theirs, COMMANDS) is None


def test_a_long_prompt_passes_a_blocking_socket_in_many_parts():
    message = generate_of("ä" * 200_000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = Thread(target=send_frame, args=(ours, message))
        writer.start()

        assert receive_frame(theirs, COMMANDS) == message
        writer.join()


@given(st.binary(max_size=200))
def test_garbage_is_a_wire_error_and_nothing_else(payload):
    with pytest.raises(WireError):
        read_payload(payload)


@given(st.binary(min_size=1, max_size=64))
def test_garbage_on_a_blocking_socket_is_a_wire_error_and_nothing_else(garbage):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(garbage)
        ours.shutdown(socket.SHUT_WR)

        with pytest.raises(WireError):
            receive_frame(theirs, COMMANDS)


def test_another_version_is_named_in_the_error():
    payload = msgspec.msgpack.encode({"version": 7, "message": {"type": "get_status"}})

    with pytest.raises(WrongVersion, match="version 7"):
        read_payload(payload)


def test_a_message_of_another_union_is_refused():
    payload = msgspec.msgpack.encode({"version": 1, "message": {"type": "loaded"}})

    with pytest.raises(WireError, match="loaded"):
        read_payload(payload)


def test_an_announced_size_over_the_limit_is_refused_before_its_bytes_are_read():
    with pytest.raises(FrameTooLarge, match="4,194,305"):
        asyncio.run(read_all([struct.pack(">I", MAX_FRAME_BYTES + 1)]))


def test_a_message_over_the_limit_is_refused_before_it_is_sent():
    with pytest.raises(FrameTooLarge):
        encode_frame(generate_of("a" * MAX_FRAME_BYTES))


def test_a_frame_at_the_limit_passes():
    overhead = len(encode_frame(generate_of("a" * 70_000))) - 4 - 70_000
    message = generate_of("a" * (MAX_FRAME_BYTES - overhead))

    assert asyncio.run(read_all([encode_frame(message)])) == [message]


def test_a_stream_that_ends_inside_a_frame_is_an_error():
    frame = encode_frame(Attach("g"))

    with pytest.raises(WireError, match="inside a frame"):
        asyncio.run(read_all([frame[:-1]]))
