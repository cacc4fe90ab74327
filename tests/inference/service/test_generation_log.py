"""The generation log: numbered, complete for every reader, whenever it comes."""

from __future__ import annotations

import asyncio
import struct

import pytest

from inference.messages import Logged, Reply
from inference.service.generation_log import GenerationLog
from inference.types import Delta, Finished, FinishReason, LoggedEvent, Timings, Usage
from inference.wire import Decoder

END = Finished(
    FinishReason.STOP,
    Usage(prompt_tokens=1, completion_tokens=2),
    Timings(time_to_first_token=0.0, decode=0.0, total=0.0),
)
REPLIES = Decoder[Reply](Reply)


def log_of(num_deltas: int, *, ended: bool) -> GenerationLog:
    log = GenerationLog()
    for number in range(1, num_deltas + 1):
        log.append(Delta(f"{number} ", number))
    if ended:
        log.append(END)
    return log


def events_in(stream: bytes) -> list[LoggedEvent]:
    events = []
    while stream:
        (size,) = struct.unpack(">I", stream[:4])
        reply = REPLIES.decode(stream[4 : 4 + size])
        assert isinstance(reply, Logged)
        events.append(reply.event)
        stream = stream[4 + size :]
    return events


async def read(log: GenerationLog, *, after: int = 0) -> list[LoggedEvent]:
    return events_in(b"".join([part async for part in log.follow(after=after)]))


async def test_events_are_numbered_from_one_without_gaps():
    events = await read(log_of(600, ended=True))

    assert [event.number for event in events] == list(range(1, 602))
    assert events[-1].event == END


async def test_a_reader_that_comes_back_gets_only_what_it_lacks():
    events = await read(log_of(5, ended=True), after=4)

    assert [event.number for event in events] == [5, 6]


async def test_a_reader_that_has_everything_gets_nothing_and_an_end():
    assert await read(log_of(5, ended=True), after=6) == []


async def test_readers_that_come_early_and_late_read_the_same():
    log = log_of(2, ended=False)
    early = asyncio.create_task(read(log))
    await asyncio.sleep(0)
    log.append(Delta("more", 3))
    late = asyncio.create_task(read(log))
    await asyncio.sleep(0)
    log.append(END)

    assert await early == await late == await read(log)


async def test_nothing_can_follow_the_terminal_event():
    log = log_of(1, ended=True)

    with pytest.raises(AssertionError):
        log.append(Delta("late", 2))
