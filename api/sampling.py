"""How the next token is chosen: what a request says, over what the model is set up with."""

from __future__ import annotations

from typing import Any

import msgspec

from api import bodies
from api.errors import invalid
from inference.limits import check_sampling
from inference.types import OutputFormat, SamplingParams


class SamplingFields(msgspec.Struct, kw_only=True):
    """Fields that all requests for a completion have, under the names that most servers know."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    dynatemp_range: float | None = None
    dynatemp_exponent: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_last_n: int | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: int | None = None
    dry_penalty_last_n: int | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None
    mirostat: int | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    logit_bias: dict[str, float] | None = None
    grammar: str | None = None
    json_schema: msgspec.Raw = msgspec.field(default_factory=bodies.left_out)
    backend: str | None = None


PLAIN = tuple(
    name for name in SamplingParams.__struct_fields__ if name in SamplingFields.__struct_fields__
)
RANDOM_SEED = -1  # as llama.cpp and Ollama say it
MOST_TOKENS = 2**31
NOT_PLAIN = ("stop", "logit_bias")


def sampling_of(
    fields: SamplingFields,
    own: SamplingParams,
    *,
    output: OutputFormat | None = None,
    **more: Any,
) -> SamplingParams:
    """`own`: the model's. `more`: fields that an API knows under other names. Raises ApiError, and
    InvalidRequest for what is out of bounds."""
    given = {name: getattr(fields, name) for name in PLAIN if name not in NOT_PLAIN}
    given["repeat_penalty"] = _one_of(fields.repeat_penalty, fields.repetition_penalty)
    given["output"] = _output(fields, output)
    given |= more
    if given["seed"] == RANDOM_SEED:
        given["seed"] = None
    said = {name: value for name, value in given.items() if value is not None}
    params = msgspec.structs.replace(
        own, **said, stop=_stop(fields.stop), logit_bias=_biases(fields.logit_bias)
    )
    check_sampling(params)
    return params


def seeded(params: SamplingParams, number: int) -> SamplingParams:
    """For the answer with this number, of several: another one, but the same each time."""
    if params.seed is None or not number:
        return params
    return msgspec.structs.replace(params, seed=params.seed + number)


def _one_of(first: float | None, second: float | None) -> float | None:
    return second if first is None else first


def _output(fields: SamplingFields, output: OutputFormat | None) -> OutputFormat | None:
    given = [output] if output else []
    if fields.grammar:
        given.append(OutputFormat(grammar=fields.grammar))
    if bodies.is_given(fields.json_schema):
        given.append(OutputFormat(json_schema=bodies.text_of(fields.json_schema)))
    if len(given) > 1:
        raise invalid(
            "Give one form that the answer has to have: “response_format”, “json_schema”, “grammar”, or a "
            "tool that has to be called.",
            "response_format",
        )
    return given[0] if given else None


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(stop)


def _biases(biases: dict[str, float] | None) -> tuple[tuple[int, float], ...]:
    try:
        found = tuple((int(token), bias) for token, bias in (biases or {}).items())
    except ValueError as error:
        raise invalid("“logit_bias” is by token number: {“123”: -100}.", "logit_bias") from error
    if any(not 0 <= token < MOST_TOKENS for token, _ in found):
        raise invalid("“logit_bias” names a token that no model has.", "logit_bias")
    return found
