from __future__ import annotations

import math

import pytest

from inference.errors import InvalidRequest
from inference.limits import (
    MAX_INPUTS,
    MAX_TOOLS,
    MAX_TOOLS_CHARACTERS,
    RANGES,
    check_inputs,
    check_messages,
    check_sampling,
    check_tools,
    check_vocabulary,
    check_weight,
)
from inference.types import Called, ChatMessage, SamplingParams, Tool


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


@pytest.mark.parametrize(
    "biases", [((1, 100.1),), ((1, -101.0),), ((1, math.nan),), ((1, 0.0),) * 1025]
)
def test_biases_have_bounds(biases: tuple[tuple[int, float], ...]):
    with pytest.raises(InvalidRequest, match=r"bias"):
        check_sampling(SamplingParams(logit_bias=biases))


def test_biases_at_their_bounds_are_taken():
    check_sampling(SamplingParams(logit_bias=((1, 100.0), (2, -100.0)) * 512))


@pytest.mark.parametrize("token", [-1, 60, 10**12])
def test_a_bias_for_a_token_that_the_model_does_not_have_is_refused(token: int):
    with pytest.raises(InvalidRequest, match="go from 0 to 59"):
        check_vocabulary(SamplingParams(logit_bias=((token, 1.0),)), vocabulary_size=60)


def test_a_bias_for_the_first_and_the_last_token_is_taken():
    check_vocabulary(SamplingParams(logit_bias=((0, 1.0), (59, 1.0))), vocabulary_size=60)


def test_a_conversation_without_messages_is_refused():
    with pytest.raises(InvalidRequest):
        check_messages(())


def test_a_conversation_of_too_many_messages_is_refused():
    with pytest.raises(InvalidRequest):
        check_messages((ChatMessage("user", ""),) * 10_001)


def test_as_many_tools_as_there_may_be_are_taken():
    check_tools([Tool("weather_in-Oslo.v1:x")] * MAX_TOOLS)


@pytest.mark.parametrize(
    "tools",
    [
        [Tool("a")] * (MAX_TOOLS + 1),
        [Tool("a", description="x" * MAX_TOOLS_CHARACTERS)],
        [Tool("")],
        [Tool("a b")],
        [Tool("x" * 129)],
        [Tool("a", parameters="[]")],
        [Tool("a", parameters="{")],
        [Tool("a", parameters="[" * 100_000)],
    ],
)
def test_tools_have_bounds(tools: list[Tool]):
    with pytest.raises(InvalidRequest, match="tool"):
        check_tools(tools)


@pytest.mark.parametrize("arguments", ["", "3", "{", "[" * 100_000])
def test_arguments_of_earlier_calls_must_be_objects(arguments: str):
    message = ChatMessage("assistant", "", (Called("1", "weather", arguments),))

    with pytest.raises(InvalidRequest, match="arguments"):
        check_messages((message,))


def test_weights_have_bounds():
    for weight in (0.01, 1, 100):
        check_weight(weight)
    for weight in (0.0, -1.0, 100.1, math.nan, math.inf):
        with pytest.raises(InvalidRequest, match="weight"):
            check_weight(weight)


def test_texts_to_be_embedded_have_bounds():
    check_inputs(["x"] * MAX_INPUTS)
    for inputs in ([], [""], ["x", ""], ["x"] * (MAX_INPUTS + 1), ["x"] * 100_000):
        with pytest.raises(InvalidRequest):
            check_inputs(inputs)
