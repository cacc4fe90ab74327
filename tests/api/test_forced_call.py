from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.forced_call import CallArguments, CallBegins, ForcedCall
from api.tools import FunctionTool, GivenTool, NamedFunction, NamedTool, Offer, offer_of

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), values, max_size=4)
cuts = st.lists(st.integers(0, 200), max_size=8)
spaces = st.sampled_from(["", " ", "\n  "])


def read(call: ForcedCall, text: str, places: list[int]) -> tuple[str, str]:
    edges = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    parts = []
    for start, end in pairwise(edges):
        parts += call.feed(text[start:end])
    parts += call.finish()
    assert isinstance(parts[0], CallBegins)
    arguments = [part for part in parts if isinstance(part, CallArguments)]
    assert len(arguments) == len(parts) - 1
    return parts[0].name, "".join(part.text for part in arguments)


@given(objects, cuts, spaces)
def test_the_arguments_of_a_named_tool_are_the_text_however_it_is_cut(value, places, space):
    text = json.dumps(value) + space

    name, arguments = read(ForcedCall("weather"), text, places)

    assert name == "weather"
    assert arguments == text.rstrip()


@given(objects, cuts, spaces)
def test_one_of_several_tools_is_read_however_its_text_is_cut(value, places, space):
    text = f'{{{space}"name": "clock",{space}"arguments":{space}{json.dumps(value)}{space}}}{space}'

    name, arguments = read(ForcedCall(""), text, places)

    assert name == "clock"
    assert json.loads(arguments) == value


def test_what_a_limit_cut_off_is_told_as_far_as_it_came():
    assert read(ForcedCall(""), '{"name": "clock", "arguments": {"a": 1', []) == (
        "clock",
        '{"a": 1',
    )


def schema_of(offer: Offer) -> Any:
    assert offer.output is not None
    return json.loads(offer.output.json_schema)


def tool(name: str, parameters: object, **options: Any) -> GivenTool:
    import msgspec

    raw = msgspec.Raw(json.dumps(parameters).encode())
    return GivenTool(function=FunctionTool(name=name, parameters=raw, **options))


def test_references_of_several_tools_lead_to_their_own_definitions():
    schema = {"$defs": {"X": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/X"}}}
    offer = offer_of([tool("a", schema), tool("b", schema)], "required")

    made = schema_of(offer)

    assert set(made["$defs"]) == {"0.X", "1.X"}
    references = [
        one["properties"]["arguments"]["properties"]["x"]["$ref"] for one in made["anyOf"]
    ]
    assert references == ["#/$defs/0.X", "#/$defs/1.X"]


def test_keywords_no_grammar_holds_to_are_passed_over_unless_the_tool_is_strict():
    schema = {"properties": {"pattern": {"type": "integer", "minimum": 3}}}
    named = NamedTool(function=NamedFunction("a"))

    loose = schema_of(offer_of([tool("a", schema)], named))
    strict = schema_of(offer_of([tool("a", schema, strict=True)], named))

    assert loose["properties"] == {"pattern": {"type": "integer"}}
    assert strict["properties"]["pattern"]["minimum"] == 3


@pytest.mark.parametrize("choice", ["none", "auto"])
def test_nothing_is_forced_unless_asked(choice):
    assert offer_of([tool("a", {})], choice).output is None
