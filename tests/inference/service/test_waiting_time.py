"""The wait that is told to those in the queue, against the wait that came."""

from __future__ import annotations

import random
import statistics

import pytest

from inference.messages import Emitted
from inference.service.generation import Generation
from inference.service.generation_queue import GenerationQueue
from inference.service.waiting_time import WaitingTime
from inference.types import Finished, FinishReason, Queued, Timings, Usage
from tests.inference.service.made_requests import FakeClock, request_of

DONE = Finished(
    FinishReason.STOP,
    Usage(prompt_tokens=1, completion_tokens=1),
    Timings(time_to_first_token=0.0, decode=0.0, total=0.0),
)


def known(*durations: float) -> WaitingTime:
    waiting = WaitingTime()
    for seconds in durations:
        waiting.note(seconds)
    return waiting


def test_each_waits_for_those_before():
    assert known(10, 10).starts(running=[4], num_places=1, num_waiting=3) == [6, 16, 26]


def test_places_are_filled_side_by_side():
    assert known(10).starts(running=[0, 5], num_places=2, num_waiting=4) == [5, 10, 15, 20]


def test_one_that_runs_longer_than_any_before_is_not_over_now():
    assert known(10).starts(running=[60], num_places=1, num_waiting=1) == [10]


def test_nothing_is_told_before_anything_is_known():
    queue = GenerationQueue(send=lambda command: None, clock=FakeClock())
    generation = Generation(request_of("a"), clock=FakeClock())
    queue.add(generation)
    queue.announce(loading=None)
    queue.announce(loading=None)

    assert (len(generation.log), generation._last) == (1, Queued(1))


@pytest.mark.parametrize("num_places", [1, 3])
def test_the_wait_is_told_within_half_of_it_in_the_median(num_places):
    """400 requests of 40 users, generations of 2 to 40 seconds, arriving faster than they end."""
    chance = random.Random(7)
    clock = FakeClock()
    started: dict[str, float] = {}
    ends: dict[str, float] = {}
    told: dict[str, tuple[float, float]] = {}
    generations: dict[str, Generation] = {}

    def start(command) -> None:
        started[command.generation_id] = clock()
        ends[command.generation_id] = clock() + chance.uniform(2, 40)

    queue = GenerationQueue(send=start, clock=clock, max_sequences=num_places)
    arrivals = [number * 18 / num_places for number in range(400)]
    while arrivals or ends:
        end = min(ends, key=ends.__getitem__, default=None)
        if arrivals and (end is None or arrivals[0] <= ends[end]):
            clock.now = max(clock.now, arrivals.pop(0))
            name = str(len(generations))
            generations[name] = Generation(
                request_of(name, user=str(chance.randrange(40))), clock=clock
            )
            queue.add(generations[name])
        elif end is not None:
            clock.now = ends.pop(end)
            queue.record(Emitted(end, DONE))
        while queue.num_waiting and queue.has_room:
            queue.start_next()
        queue.announce(loading=None)
        for name, generation in generations.items():
            if name in told or name in started:
                continue
            event = generation._last
            assert isinstance(event, Queued)
            if event.expected_seconds is not None:
                told[name] = (clock(), event.expected_seconds)

    errors = [
        abs(expected - (started[name] - at)) / (started[name] - at)
        for name, (at, expected) in told.items()
        if started[name] > at
    ]
    assert len(errors) > 100
    assert statistics.median(errors) < 0.5


def start_all(queue: GenerationQueue) -> None:
    while queue.has_room:
        queue.start_next()


def test_nobody_has_more_running_than_one_may():
    sent: list[str] = []
    queue = GenerationQueue(
        send=lambda command: sent.append(command.generation_id),  # type: ignore[union-attr]
        clock=FakeClock(),
        max_sequences=4,
        max_per_user=2,
    )
    for name in ("ada 1", "ada 2", "ada 3", "grace 1"):
        queue.add(Generation(request_of(name, user=name.split()[0]), clock=FakeClock()))
    start_all(queue)

    assert sorted(sent) == ["ada 1", "ada 2", "grace 1"]
    queue.record(Emitted("ada 1", DONE))
    start_all(queue)
    assert sent[-1] == "ada 3"
