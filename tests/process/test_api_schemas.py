"""Models of random weights, of llama.cpp and of MLX, held to random JSON schemas."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.process.api_process import ApiProcess
from tests.process.engines import needs_mlx

MOST = sys.float_info.max


def within_floats(text: str) -> float:
    return max(-MOST, min(float(text), MOST))


pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

NUM_SCHEMAS = 200
# MLX lets a number be as long as a model likes, and this one likes few tokens besides its digits.
FREE = {"temperature": 2, "top_k": 0, "top_p": 1, "min_p": 0, "frequency_penalty": 2}
names = st.text("abcdefgh_- äß", min_size=1, max_size=6)
leaves = st.one_of(
    st.sampled_from(
        [
            {"type": "integer"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": "number"},
            {"type": "string", "maxLength": 8},
            {"type": "string", "minLength": 2, "maxLength": 4},
        ]
    ),
    st.builds(lambda values: {"enum": values}, st.lists(names, min_size=1, max_size=4)),
    st.builds(lambda value: {"const": value}, names | st.integers(-5, 5) | st.booleans()),
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def made(properties: dict[str, Any], num_required: int) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties)[:num_required],
            "additionalProperties": False,
        }

    return st.builds(made, st.dictionaries(names, inner, max_size=4), st.integers(0, 4))


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def made(items: Any, least: int, more: int) -> dict[str, Any]:
        return {"type": "array", "items": items, "minItems": least, "maxItems": least + more}

    return st.builds(made, inner, st.integers(0, 2), st.integers(0, 2))


schemas = st.recursive(
    leaves,
    lambda inner: (
        objects(inner)
        | arrays(inner)
        | st.builds(lambda some: {"anyOf": some}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(
        tmp_path_factory.mktemp("api"), {"gguf": {"printable": True}, "folder": "folder"}
    ) as api:
        yield api


@pytest.fixture(scope="module")
def key(api: ApiProcess) -> str:
    return api.key()


@pytest.mark.parametrize("model", ["gguf", pytest.param("folder", marks=needs_mlx)])
@settings(
    max_examples=NUM_SCHEMAS,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(schema=schemas, seed=st.integers(0, 2**31))
def test_what_a_random_model_answers_fits_its_schema(api, key, model, schema, seed):
    asked = {
        "model": model,
        "messages": [{"role": "user", "content": "x"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        "seed": seed,
        **(FREE if model == "folder" else {}),
        "max_tokens": 1500,
    }

    status, _, body = api.post("/v1/chat/completions", asked, key)

    assert status == 200, body
    choice = json.loads(body)["choices"][0]
    assert choice["finish_reason"] == "stop"
    # A number like 8e688 is good JSON, and beyond Python's floats.
    said = json.loads(choice["message"]["content"], parse_float=within_floats)
    assert jsonschema_rs.is_valid(schema, said)
