from __future__ import annotations

import math

import pytest

from inference.errors import InvalidRequest
from inference.limits import RANGES, check_messages, check_sampling
from inference.types import ChatMessage, SamplingParams


def test_the_defaults_are_within_bounds():
    check_sampling(SamplingParams())


@pytest.mark.parametrize("field", RANGES)
def test_a_value_at_its_bound_is_taken(field: str):
    for bound in RANGES[field]:
        check_sampling(SamplingParams(**{field: bound}))  # type: ignore[arg-type]


@pytest.mark.parametrize("field", RANGES)
def test_a_value_beyond_its_bound_is_refused_by_name(field: str):
    least, most = RANGES[field]
    for value in (least - 1, most + 1, math.nan, math.inf, -math.inf):
        with pytest.raises(InvalidRequest, match=field) as refused:
            check_sampling(SamplingParams(**{field: value}))  # type: ignore[arg-type]
        assert refused.value.facts == {"field": field}


@pytest.mark.parametrize("stop", [("",), ("x" * 257,), ("x",) * 17])
def test_stop_sequences_have_bounds(stop: tuple[str, ...]):
    with pytest.raises(InvalidRequest, match="stop"):
        check_sampling(SamplingParams(stop=stop))


def test_a_conversation_without_messages_is_refused():
    with pytest.raises(InvalidRequest):
        check_messages(())


def test_a_conversation_of_too_many_messages_is_refused():
    with pytest.raises(InvalidRequest):
        check_messages((ChatMessage("user", ""),) * 10_001)
