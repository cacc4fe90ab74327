"""What the service remembers is bounded, and a generation is started once."""

from __future__ import annotations

import pytest

from inference.errors import GenerationNotFound, Overloaded
from inference.service import generations
from inference.service.generation import Generation
from inference.service.generations import MAX_ENDED, MAX_WAITING, Generations
from tests.inference.service.made_requests import FakeClock, request_of


def admit(known: Generations, generation_id: str) -> Generation:
    generation = known.admit(request_of(generation_id))
    assert generation is not None
    return generation


def test_the_same_id_is_one_generation():
    known = Generations(clock=FakeClock())
    generation = admit(known, "g")

    assert known.admit(request_of("g")) is None
    generation.cancel()
    assert known.admit(request_of("g")) is None
    assert known.find("g") is generation


def test_a_full_queue_refuses_with_its_length():
    known = Generations(clock=FakeClock())
    for number in range(MAX_WAITING):
        admit(known, str(number))

    with pytest.raises(Overloaded) as refused:
        known.admit(request_of("one more"))
    assert refused.value.facts == {"queue_length": MAX_WAITING}


def test_those_that_run_do_not_fill_the_queue():
    known = Generations(clock=FakeClock())
    for number in range(MAX_WAITING):
        admit(known, str(number)).started_at = 1.0

    admit(known, "one more")


def test_a_forgotten_log_is_gone_and_may_be_forgotten_again():
    known = Generations(clock=FakeClock())
    admit(known, "g").cancel()
    known.forget("g")
    known.forget("g")

    with pytest.raises(GenerationNotFound):
        known.find("g")


def test_a_log_that_still_grows_is_not_forgotten():
    known = Generations(clock=FakeClock())
    generation = admit(known, "g")
    known.forget("g")

    assert known.find("g") is generation


def test_the_oldest_ended_log_makes_room_first():
    known = Generations(clock=FakeClock())
    running = admit(known, "running")
    for number in range(MAX_ENDED + 1):
        admit(known, str(number)).cancel()

    with pytest.raises(GenerationNotFound):
        known.find("0")
    assert known.find("1").has_ended
    assert known.find("running") is running


def test_ended_logs_are_bounded_in_bytes(monkeypatch):
    known = Generations(clock=FakeClock())
    admit(known, "old").cancel()
    monkeypatch.setattr(generations, "MAX_ENDED_BYTES", known.find("old").log.num_bytes)
    admit(known, "new").cancel()

    with pytest.raises(GenerationNotFound):
        known.find("old")
    assert known.find("new").has_ended
