from __future__ import annotations

from inference.engine.pace import SMALLEST, PrefillPace


def test_a_fast_model_always_takes_the_largest_chunk():
    pace = PrefillPace(largest=512, decode_seconds=0.001)

    pace.record(num_tokens=512, seconds=0.1)

    assert pace.chunk(shared=False) == pace.chunk(shared=True) == 512


def test_a_slow_model_takes_what_it_computes_in_the_target_time():
    pace = PrefillPace(largest=512, decode_seconds=0.1)

    for _ in range(20):
        pace.record(num_tokens=100, seconds=1.0)

    assert pace.chunk(shared=False) == 192
    assert pace.chunk(shared=True) == SMALLEST


def test_short_steps_say_nothing_about_long_ones():
    pace = PrefillPace(largest=512, decode_seconds=0.001)

    for _ in range(20):
        pace.record(num_tokens=1, seconds=1.0)

    assert pace.chunk(shared=False) == 512


def test_a_prompt_goes_on_however_slow_the_model_is():
    pace = PrefillPace(largest=512, decode_seconds=60.0)

    assert pace.chunk(shared=True) == SMALLEST
