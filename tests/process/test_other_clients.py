"""Clients that others wrote, against the product: each with what it has of list, chat, stream, tools,
JSON schema, embeddings, errors and abort.

They live in .clients, which `make test` and `make set-up` make ready.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.api_process import ApiProcess
from tests.process.web_process import ROOT

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

PLAIN = "The **answer** is here."
SCRIPTS = {
    "plain": PLAIN,
    "calls": '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    "endless": {
        "text": "On and on it goes. ",
        "loop": True,
        "context_length": 100_000,
        "layers": 12,
        "width": 256,
    },
    "random": {"printable": True},
    "embeds": "embeds",
}
OPTIONS = ("--context-window", "60000", "--max-sequences", "2")
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
CLIENTS = ROOT / ".clients"
PYTHON = CLIENTS / "python" / "bin" / "python"
NODE = CLIENTS / "node"
needs_python = pytest.mark.skipif(
    not PYTHON.exists(), reason=".clients is not there: `make set-up` makes it ready"
)
needs_node = pytest.mark.skipif(
    not (NODE / "node_modules" / "openai").exists(), reason="There is no Node.js with npm here"
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path_factory.mktemp("api"), SCRIPTS, *OPTIONS) as api:
        yield api


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
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
    assert found["aborted"] is True
    return found


@needs_python
def test_litellm(api):
    found = answers(api, str(PYTHON), str(HERE / "with_litellm.py"))

    assert found["messages"] == PLAIN
    assert set(found["models"]) >= set(SCRIPTS)


@needs_python
def test_langchain(api):
    found = answers(api, str(PYTHON), str(HERE / "with_langchain.py"))

    assert json.loads(found["forced"])["city"] in ("Oslo", "Rome")


@pytest.fixture
def llm_folder(api, tmp_path, monkeypatch) -> None:
    """What `llm` would have at home."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    to = {"api_base": f"{api.url}/v1", "api_key_name": "minerva"}
    can = {"supports_schema": True, "supports_tools": True}
    models = [{"model_id": name, "model_name": name, **to, **can} for name in (*SCRIPTS, "nowhere")]
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(models))  # JSON is YAML
    (tmp_path / "keys.json").write_text(json.dumps({"minerva": api.key()}))


@needs_python
@pytest.mark.usefixtures("llm_folder")
def test_llm(api):
    found = answers(api, str(PYTHON), str(HERE / "with_llm.py"))

    assert set(found["models"]) >= set(SCRIPTS)


@needs_python
@pytest.mark.usefixtures("llm_folder")
def test_llm_on_the_command_line():
    assert run(str(PYTHON), "-m", "llm", "-m", "plain", "Hello").strip() == PLAIN


@needs_node
def test_openai_for_node(api):
    found = answers(api, "node", str(HERE / "with_node.mjs"), more=(str(NODE),))

    assert set(found["models"]) >= set(SCRIPTS)
    assert found["response"] == PLAIN
