"""Completions that have to look like something, drawn by a model that has no idea of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.backends.llama.grammar import grammar_of
from inference.backends.llama.sampler import LlamaSampler
from inference.backends.llama.vocabulary import Vocabulary
from inference.errors import InvalidRequest
from inference.output_format import check_output_format
from inference.types import OutputFormat, SamplingParams

MOST_TOKENS = 400


def completion(vocabulary: Vocabulary, wanted: OutputFormat, seed: int, **params: Any) -> str:
    """Up to its end, which must come."""
    grammar = grammar_of(wanted, vocabulary)
    sampler = LlamaSampler(SamplingParams(seed=seed, **params), vocabulary, grammar=grammar)
    generator = np.random.default_rng(seed)
    text = b""
    for _ in range(MOST_TOKENS):
        token = sampler.choose(generator.standard_normal(vocabulary.size).astype(np.float32))
        if vocabulary.is_end(token):
            sampler.close()
            return text.decode("utf-8", "replace")
        text += vocabulary.piece(token)
    raise AssertionError(f"no end: {text!r}")


PERSON = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["owl", "mouse"]},
        "age": {"type": "integer"},
        "flies": {"type": "boolean"},
        "friends": {"type": "array", "items": {"$ref": "#/$defs/name"}, "maxItems": 3},
    },
    "required": ["kind", "age", "flies"],
    "$defs": {"name": {"type": "string", "minLength": 1, "maxLength": 5}},
}


@pytest.mark.parametrize(
    "params", [{}, {"temperature": 0.0}, {"repeat_penalty": 1.2}, {"mirostat": 2}]
)
@pytest.mark.parametrize("seed", range(5))
def test_json_fits_its_schema(vocabulary, seed, params):
    text = completion(vocabulary, OutputFormat(json_schema=json.dumps(PERSON)), seed, **params)

    person = json.loads(text)
    assert person["kind"] in ("owl", "mouse")
    assert isinstance(person["age"], int)
    assert isinstance(person["flies"], bool)
    assert all(person.get("friends", []))
    assert set(person) <= set(PERSON["properties"])


@pytest.mark.parametrize("seed", range(5))
def test_one_of_the_choices_is_said(vocabulary, seed):
    choices = ("yes", 'He said "no"\n', "vielleicht, später 🦉", "yes, and no")

    assert completion(vocabulary, OutputFormat(choices=choices), seed) in choices


def test_a_grammar_of_ones_own_is_kept_to(vocabulary):
    text = completion(vocabulary, OutputFormat(grammar='root ::= ("ab" | "cd"){3} "."'), 1)

    assert len(text) == 7 and text.endswith(".")


@pytest.mark.parametrize(
    "wanted",
    [
        OutputFormat(grammar="nothing"),
        OutputFormat(grammar='other ::= "a"'),
        OutputFormat(grammar="root ::= root"),
        OutputFormat(grammar="root ::= missing"),
        OutputFormat(json_schema='{"type": "nonsense"}'),
        OutputFormat(json_schema='{"$ref": "#/nowhere"}'),
    ],
)
def test_what_cannot_be_understood_is_refused(vocabulary, wanted):
    check_output_format(wanted)

    with pytest.raises(InvalidRequest):
        grammar_of(wanted, vocabulary)


small = st.integers(-3, 30)
names = st.sampled_from(["a", "b", 'c"', "", "ü"])
types = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object", "x"])
leaves = st.one_of(
    st.fixed_dictionaries({"type": types}),
    st.fixed_dictionaries({"enum": st.lists(st.one_of(small, names, st.none()), max_size=4)}),
    st.fixed_dictionaries({"const": st.one_of(small, names)}),
    st.fixed_dictionaries({"type": st.just("string"), "minLength": small, "maxLength": small}),
    st.fixed_dictionaries({"$ref": st.sampled_from(["#/", "#/a", "#/properties/a", "#"])}),
    st.just({}),
    st.booleans(),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"items": inner, "minItems": small, "maxItems": small}),
        st.fixed_dictionaries({"prefixItems": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries(
            {"properties": st.dictionaries(names, inner, max_size=4), "required": st.lists(names)}
        ),
        st.fixed_dictionaries({"additionalProperties": inner}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"oneOf": st.lists(inner, max_size=3)}),
        st.fixed_dictionaries({"allOf": st.lists(inner, max_size=3)}),
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(schema=schemas)
def test_any_schema_is_refused_or_becomes_a_grammar_that_llama_cpp_takes(
    vocabulary: Vocabulary, schema: object
):
    wanted = OutputFormat(json_schema=json.dumps(schema))
    try:
        check_output_format(wanted)
        grammar = grammar_of(wanted, vocabulary)
    except InvalidRequest:
        return

    sampler = LlamaSampler(SamplingParams(seed=1), vocabulary, grammar=grammar)
    for step in range(5):
        logits = np.random.default_rng(step).standard_normal(vocabulary.size).astype(np.float32)
        if vocabulary.is_end(sampler.choose(logits)):
            break
    sampler.close()
