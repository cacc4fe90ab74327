from __future__ import annotations

import json
from typing import Any

import pytest

from inference.errors import InvalidRequest
from inference.limits import check_sampling
from inference.output_format import check_output_format
from inference.types import OutputFormat, SamplingParams


def nested(depth: int) -> dict[str, Any]:
    """So many levels deep."""
    schema: dict[str, Any] = {}
    for _ in range(depth - 1):
        schema = {"items": schema}
    return schema


def properties(count: int) -> dict[str, Any]:
    return {"properties": {str(number): {} for number in range(count)}}


def filled(size: int) -> str:
    return '{"title": "' + "x" * (size - 13) + '"}'


def schema(value: object) -> OutputFormat:
    return OutputFormat(json_schema=value if isinstance(value, str) else json.dumps(value))


WITHIN = [
    schema("{}"),
    schema(nested(16)),
    schema(properties(200)),
    schema({"enum": list(range(500))}),
    schema({"type": "array", "maxItems": 1000}),
    schema({"$ref": "#/$defs/node", "$defs": {"node": {}}}),
    schema({"properties": {"pattern": {}, "not": {"enum": [{"minimum": 1}]}}}),
    schema(filled(32 * 1024)),
    OutputFormat(choices=("yes", "no")),
    OutputFormat(choices=("x",) * 500),
    OutputFormat(grammar="root ::= " + "(" * 16 + '"a"' + ")" * 16),
    OutputFormat(grammar='root ::= "a"{1,1000}'),
    OutputFormat(
        grammar='root ::= "((((((((((((((((((((" [(((((((((((((((((((] # (((((((((((((((('
    ),
    OutputFormat(grammar="\n".join(f'r{number} ::= "a"' for number in range(1000))),
]
BEYOND = {
    "16 levels": [schema(nested(17)), schema(nested(200)), OutputFormat(grammar="(" * 17)],
    "16 levels deep": [OutputFormat(grammar="(" * 30_000)],
    "200 properties": [schema(properties(201)), schema(properties(2000))],
    "500 values": [schema({"enum": list(range(501))})],
    "1,000": [
        schema({"maxItems": 1001}),
        schema({"minLength": 10**9}),
        schema({"minItems": -1}),
        schema({"minItems": "5"}),
        OutputFormat(grammar='root ::= "a"{1001}'),
        OutputFormat(grammar='root ::= "a"{1,' + "9" * 5000 + "}"),
        OutputFormat(grammar="\n".join(f'r{number} ::= "a"' for number in range(1001))),
    ],
    "not supported": [
        schema({"pattern": "a"}),
        schema({"items": {"patternProperties": {}}}),
        schema({"properties": {"age": {"type": "integer", "minimum": 1}}}),
        schema({"$defs": {"x": {"anyOf": [{}, {"uniqueItems": True}]}}}),
    ],
    "same schema": [schema({"$ref": "https://example.com/x"}), schema({"$ref": 5})],
    "32 KiB": [
        schema(filled(32 * 1024 + 1)),
        OutputFormat(grammar="#" * (32 * 1024 + 1)),
        OutputFormat(choices=("x" * 32 * 1024, "y")),
    ],
    "not JSON": [schema("{"), schema("[" * 20_000)],
    "must be a JSON object": [schema("[]"), schema("5"), schema({"properties": []})],
    "500 texts": [OutputFormat(choices=("x",) * 501)],
    "empty": [OutputFormat(choices=("a", ""))],
    "one of": [OutputFormat(), OutputFormat(json_schema="{}", choices=("a",))],
}


@pytest.mark.parametrize("wanted", WITHIN)
def test_what_is_within_the_bounds_is_taken(wanted: OutputFormat):
    check_output_format(wanted)


@pytest.mark.parametrize(
    ("said", "wanted"), [(said, one) for said, formats in BEYOND.items() for one in formats]
)
def test_what_is_beyond_is_refused_with_the_bound(said: str, wanted: OutputFormat):
    with pytest.raises(InvalidRequest, match=said) as refused:
        check_sampling(SamplingParams(output=wanted))

    assert refused.value.facts == {"field": "output"}
