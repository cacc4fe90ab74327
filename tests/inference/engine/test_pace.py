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

    assert 26 <= machine.pace.chunk(num_streams=4) <= 28


def test_a_prompt_alone_takes_what_is_computed_in_two_seconds():
    machine = Machine(stream_seconds=0.1, tokens_per_second=100)

    machine.prefill(num_streams=0)

    assert 192 <= machine.pace.chunk(num_streams=0) <= 200


def test_a_fast_model_always_takes_the_largest_chunk():
    machine = Machine(stream_seconds=0.001, tokens_per_second=100_000)

    machine.prefill(num_streams=1)

    assert machine.pace.chunk(num_streams=0) == machine.pace.chunk(num_streams=1) == 512


def test_few_tokens_say_nothing_about_many():
    pace = PrefillPace(largest=512, decode_seconds=0.001)

    for _ in range(20):
        pace.record(num_streams=0, prompt_tokens=1, seconds=1.0)

    assert pace.chunk(num_streams=0) == 512


def test_a_prompt_goes_on_however_slow_the_model_is():
    pace = PrefillPace(largest=512, decode_seconds=60.0)

    assert pace.chunk(num_streams=3) == SMALLEST
