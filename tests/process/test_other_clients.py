"""Clients that others wrote, against the product: each with what it has of the API.

They bring many packages along, so they live apart: `MINERVA_CLIENTS_PYTHON` is an interpreter that has litellm,
langchain-openai and llm (and mcp, which litellm wants for tools), `MINERVA_CLIENTS_NODE` a folder whose node_modules has openai. Without them, skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.api_process import ApiProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

PLAIN = "The **answer** is here."
SCRIPTS = {
    "plain": PLAIN,
    "calls": '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    "endless": {"text": "On and on it goes. ", "loop": True, "layers": 4, "width": 256},
    "random": {"printable": True},
    "embeds": "embeds",
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather somewhere.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Oslo", "Rome"], "type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
HERE = Path(__file__).parent / "clients"
PYTHON = os.environ.get("MINERVA_CLIENTS_PYTHON", "")
NODE = os.environ.get("MINERVA_CLIENTS_NODE", "")
needs_python = pytest.mark.skipif(not PYTHON, reason="MINERVA_CLIENTS_PYTHON names no interpreter")
needs_node = pytest.mark.skipif(not NODE, reason="MINERVA_CLIENTS_NODE names no folder")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path_factory.mktemp("api"), SCRIPTS) as api:
        yield api


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(api: ApiProcess, *command: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
    given = [api.url, api.key(), json.dumps(WEATHER), *more]
    found: dict[str, Any] = json.loads(run(*command, *given).strip().splitlines()[-1])
    assert found["whole"] == found["streamed"] == PLAIN
    assert json.loads(found["called"]) == {"city": "Oslo"}
    assert json.loads(found["fitted"])["city"] in ("Oslo", "Rome")
    assert found["vectors"] == 2
    assert found["error"] == "NotFoundError"
    return found


@needs_python
def test_litellm(api):
    found = answers(api, PYTHON, str(HERE / "with_litellm.py"))

    assert found["messages"] == PLAIN


@needs_python
def test_langchain(api):
    found = answers(api, PYTHON, str(HERE / "with_langchain.py"))

    assert json.loads(found["forced"])["city"] in ("Oslo", "Rome")


@needs_python
@pytest.mark.parametrize("streams", [[], ["--no-stream"]])
def test_llm(api, tmp_path, streams):
    (tmp_path / "extra-openai-models.yaml").write_text(
        f'- model_id: ours\n  model_name: plain\n  api_base: "{api.url}/v1"\n'
        "  api_key_name: minerva\n"
    )
    (tmp_path / "keys.json").write_text(json.dumps({"minerva": api.key()}))

    said = run(PYTHON, "-m", "llm", "-m", "ours", *streams, "Hello", LLM_USER_PATH=str(tmp_path))

    assert said.strip() == PLAIN


@needs_node
def test_openai_for_node(api):
    found = answers(api, "node", str(HERE / "with_node.mjs"), more=(NODE,))

    assert set(found["models"]) >= set(SCRIPTS)
    assert found["response"] == PLAIN
    assert found["aborted"] >= 5
