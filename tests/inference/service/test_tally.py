"""What a model did so far: running answers count, and their exact counts replace the running ones."""

from __future__ import annotations

import pytest

from inference.errors import RunnerCrashed
from inference.messages import Emitted, Loaded
from inference.service.tally import Tally
from inference.types import Delta, Failed, Finished, FinishReason, Timings, Usage
from tests.inference.service.made_requests import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tally(clock: FakeClock) -> Tally:
    return Tally(clock)


def finished(*, prompt: int = 0, cached: int = 0, tokens: int = 0, first: float | None, decode=0.0):
    usage = Usage(prompt_tokens=prompt, completion_tokens=tokens, cached_tokens=cached)
    timings = Timings(time_to_first_token=first, decode=decode, total=0)
    return Finished(FinishReason.STOP, usage, timings)


def test_nothing_is_known_of_a_model_that_nobody_used(tally):
    assert (tally.num_answers, tally.completion_tokens, tally.last_used_at) == (0, 0, None)
    assert (tally.prompt_rate, tally.decode_rate) == (0.0, 0.0)


def test_an_answer_counts_while_it_is_written(tally, clock):
    tally.note(Emitted("a", Delta("x", 1)))
    clock.now += 2
    tally.note(Emitted("a", Delta("y", 21)))

    assert tally.completion_tokens == 21
    assert tally.decode_rate == 10
    assert tally.num_answers == 0


def test_its_end_brings_the_exact_counts(tally, clock):
    tally.note(Emitted("a", Delta("x", 1)))
    clock.now += 2
    tally.note(Emitted("a", finished(prompt=120, cached=20, tokens=31, first=0.5, decode=3.0)))

    assert (tally.num_answers, tally.prompt_tokens, tally.completion_tokens) == (1, 120, 31)
    assert tally.decode_rate == 10
    assert tally.prompt_rate == 200


def test_rates_of_several_answers_weigh_by_their_time(tally):
    tally.note(Emitted("a", finished(tokens=11, first=1.0, decode=1.0)))
    tally.note(Emitted("b", finished(tokens=31, first=1.0, decode=9.0)))

    assert tally.decode_rate == 4


def test_what_a_crashed_runner_computed_stays_counted(tally, clock):
    tally.loaded(Loaded("CPU", 2048))
    tally.note(Emitted("a", Delta("x", 1)))
    clock.now += 1
    tally.note(Emitted("a", Delta("y", 5)))
    tally.ended()

    assert tally.completion_tokens == 5
    assert tally.decode_rate == 4
    assert (tally.placed, tally.loaded_at) == (None, None)


def test_a_refusal_has_no_counts_but_is_a_use(tally, clock):
    tally.note(Emitted("a", Failed(RunnerCrashed("It broke.").info)))

    assert (tally.num_answers, tally.completion_tokens) == (0, 0)
    assert tally.last_used_at == clock.now


def test_a_completion_of_one_token_has_no_rate(tally):
    tally.note(Emitted("a", finished(tokens=1, first=1.0)))

    assert tally.decode_rate == 0.0
