from __future__ import annotations

import pytest

from inference.engine.pace import SMALLEST, PrefillPace


class Machine:
    """Steps that take as long as they would on a machine of this speed."""

    def __init__(self, *, stream_seconds: float, tokens_per_second: float) -> None:
        self.stream_seconds = stream_seconds
        self.tokens_per_second = tokens_per_second
        self.pace = PrefillPace(largest=512, decode_seconds=stream_seconds)

    def step(self, *, num_streams: int, prompt_tokens: int = 0) -> float:
        seconds = num_streams * self.stream_seconds + prompt_tokens / self.tokens_per_second
        self.pace.record(num_streams=num_streams, prompt_tokens=prompt_tokens, seconds=seconds)
        return seconds

    def prefill(self, *, num_streams: int, steps: int = 20) -> list[float]:
        chunks = (self.pace.chunk(num_streams=num_streams) for _ in range(steps))
        return [self.step(num_streams=num_streams, prompt_tokens=chunk) for chunk in chunks]


@pytest.mark.parametrize("tokens_per_second", [250, 1_000, 50_000])
def test_streams_never_wait_twice_as_long_as_without_a_prompt(tokens_per_second: float):
    machine = Machine(stream_seconds=0.007, tokens_per_second=tokens_per_second)
    for _ in range(20):
        machine.step(num_streams=7)

    seconds = machine.prefill(num_streams=7)

    assert max(seconds[5:]) < 2 * 7 * machine.stream_seconds


def test_a_prompt_beside_streams_gets_as_much_as_that_allows():
    machine = Machine(stream_seconds=0.01, tokens_per_second=1_000)
    for _ in range(20):
        machine.step(num_streams=4)
    machine.prefill(num_streams=4)

    assert 22 <= machine.pace.chunk(num_streams=4) <= 24


def test_a_prompt_alone_takes_what_is_computed_in_two_seconds():
    machine = Machine(stream_seconds=0.1, tokens_per_second=100)

    machine.prefill(num_streams=0)

    assert 192 <= machine.pace.chunk(num_streams=0) <= 200


def test_a_fast_model_always_takes_the_largest_chunk():
    machine = Machine(stream_seconds=0.001, tokens_per_second=100_000)

    machine.prefill(num_streams=1)

    assert machine.pace.chunk(num_streams=0) == 512
    assert machine.pace.chunk(num_streams=1) == 511


def test_few_tokens_say_nothing_about_many():
    """Each of four took 10 ms, each of five hundred 1 ms."""
    pace = PrefillPace(largest=512, decode_seconds=0.01)

    for _ in range(20):
        pace.record(num_streams=0, prompt_tokens=4, seconds=0.04)
        pace.record(num_streams=0, prompt_tokens=500, seconds=0.5)

    assert pace.chunk(num_streams=0) == 512
    pace.record(num_streams=1, prompt_tokens=0, seconds=0.01)
    assert pace.chunk(num_streams=1) <= 4


def test_a_step_of_a_new_size_is_tried_without_knowing_its_cost():
    """What a token costs falls by far once the weights are read for several."""
    pace = PrefillPace(largest=512, decode_seconds=0.006)
    chunks = []
    for _ in range(30):
        chunk = pace.chunk(num_streams=1)
        chunks.append(chunk)
        pace.record(num_streams=1, prompt_tokens=chunk, seconds=0.01 + 0.0005 * (1 + chunk))

    assert chunks[0] < chunks[-1]
    assert 12 <= chunks[-1] <= 15


def test_a_prompt_goes_on_however_slow_the_model_is():
    pace = PrefillPace(largest=512, decode_seconds=60.0)

    assert pace.chunk(num_streams=3) == SMALLEST


def streaming(pace: PrefillPace, seconds: float) -> None:
    """One stream, a token every 10 ms, for so long."""
    for _ in range(round(seconds / 0.01)):
        pace.record(num_streams=1, prompt_tokens=0, seconds=0.01)


def test_a_short_prompt_may_make_streams_pause_once():
    pace = PrefillPace(largest=512, decode_seconds=0.01)
    pace.record(num_streams=0, prompt_tokens=100, seconds=0.2)
    streaming(pace, 0.1)

    whole = pace.whole(num_streams=1)

    assert 90 <= whole <= 120
    assert pace.chunk(num_streams=1) < 20


def test_pauses_must_be_earned_by_time_without_one():
    pace = PrefillPace(largest=512, decode_seconds=0.01)
    pace.record(num_streams=0, prompt_tokens=100, seconds=0.2)
    streaming(pace, 0.1)
    for _ in range(14):
        pace.record(num_streams=1, prompt_tokens=100, seconds=0.23)
    spent = pace.whole(num_streams=1)

    streaming(pace, 1.0)

    assert spent <= pace.chunk(num_streams=1) + 20
    assert pace.whole(num_streams=1) >= 90


def test_alone_a_short_prompt_is_like_any_other():
    pace = PrefillPace(largest=512, decode_seconds=0.01)

    assert pace.whole(num_streams=0) == pace.chunk(num_streams=0)
