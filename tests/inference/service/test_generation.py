"""A generation keeps the order of its events and its own time."""

from __future__ import annotations

from inference.errors import RunnerCrashed
from inference.service.generation import Generation
from inference.types import (
    Delta,
    Event,
    Failed,
    Finished,
    FinishReason,
    Loading,
    Prefill,
    Queued,
    Timings,
    Usage,
)
from tests.inference.service.made_requests import FakeClock, request_of
from tests.inference.service.test_generation_log import read

RUNNERS_TIMINGS = Timings(time_to_first_token=0.1, decode=0.1, total=0.1)


def generation_at(clock: FakeClock) -> Generation:
    return Generation(request_of("g"), clock=clock)


async def events_of(generation: Generation) -> list[Event]:
    return [logged.event for logged in await read(generation.log)]


async def test_timings_count_from_the_arrival_of_the_request():
    clock = FakeClock()
    generation = generation_at(clock)
    clock.now += 2
    generation.record(Delta("a", 1))
    clock.now += 3
    generation.record(Delta("b", 2))
    clock.now += 1
    usage = Usage(prompt_tokens=4, completion_tokens=2)
    generation.record(Finished(FinishReason.STOP, usage, RUNNERS_TIMINGS))

    timings = Timings(time_to_first_token=2, decode=3, total=6)
    assert (await events_of(generation))[-1] == Finished(FinishReason.STOP, usage, timings)


async def test_events_that_come_late_or_twice_are_dropped():
    generation = generation_at(FakeClock())
    for event in (Queued(2), Queued(2), Queued(1), Loading(0.0), Queued(3), Prefill(1, 4)):
        generation.record(event)
    generation.record(Loading(1.0))
    generation.cancel()
    generation.record(Delta("late", 1))

    recorded = (await events_of(generation))[:-1]
    assert recorded == [Queued(2), Queued(1), Loading(0.0), Prefill(1, 4)]


async def test_equal_deltas_are_both_text():
    generation = generation_at(FakeClock())
    generation.record(Delta("a", 1))
    generation.record(Delta("a", 1))
    generation.cancel()

    assert len(await events_of(generation)) == 3


async def test_a_crash_keeps_what_is_known_to_be_computed():
    generation = generation_at(FakeClock())
    generation.record(Prefill(4, 4))
    generation.record(Delta("a", 1))
    generation.fail(RunnerCrashed("gone").info)

    end = (await events_of(generation))[-1]
    assert isinstance(end, Failed)
    assert end.usage == Usage(prompt_tokens=4, completion_tokens=1)


async def test_a_stop_is_how_it_ends_even_when_the_runner_fails_meanwhile():
    generation = generation_at(FakeClock())
    generation.stop_requested_at = 1001.0
    generation.fail(RunnerCrashed("gone").info)

    end = (await events_of(generation))[-1]
    assert isinstance(end, Finished)
    assert end.reason is FinishReason.CANCELLED


async def test_the_end_is_told_once():
    ended: list[Generation] = []
    generation = Generation(request_of("g"), clock=FakeClock(), on_end=ended.append)
    generation.cancel()
    generation.cancel()

    assert ended == [generation]
