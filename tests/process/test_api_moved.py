"""What programs are told when another model answers than the one they asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from inference.service.breaker import MAX_OPEN_SECONDS
from tests.inference.gguf_files import LLAMA, File, string_pair
from tests.process.api_process import ApiProcess

pytestmark = pytest.mark.process

ANSWER = "The answer is here."
REASON = "hollow could not be loaded, its engine does not know it"
BODY = {"model": "hollow", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}
SET_UP = """
from models_app import catalog
from models_app.models import CatalogEntry
from models_app.tuning import ModelSettings
catalog.scan()
named = {entry.name: entry for entry in CatalogEntry.objects.all()}
ModelSettings.objects.create(entry=named["hollow"], fallback=named["plain"])
"""
USAGE = """
from accounts.models import UsageRecord
print(*UsageRecord.objects.exclude(completion_tokens=0).values_list("model_name", flat=True))
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """“hollow” has a header like a model's, and nothing that an engine could compute with."""
    api = ApiProcess(tmp_path_factory.mktemp("api"), {"plain": ANSWER})
    pairs = (LLAMA[0], string_pair("general.name", "hollow"), *LLAMA[2:])
    File(pairs=pairs).write(api.models_dir / "hollow.gguf")
    api.web.run(SET_UP)
    with api:
        yield api


@pytest.fixture(scope="module")
def key(api: ApiProcess) -> str:
    return api.key()


def post(api: ApiProcess, key: str, path: str, **changes: Any) -> tuple[int, Any, bytes]:
    status, headers, body = api.post(path, {**BODY, **changes}, key)
    return status, headers, body


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_whole_answer_names_who_answered_and_why(api, key, path):
    status, headers, body = post(api, key, path)

    assert status == 200, body
    assert json.loads(body)["model"] == "plain"
    assert ANSWER in body.decode()
    assert headers["Minerva-Fallback"].startswith("hollow ")


def test_a_response_names_who_answered(api, key):
    body = {"model": "hollow", "input": "Hello"}
    status, headers, answer = api.post("/v1/responses", body, key)

    assert status == 200, answer
    assert json.loads(answer)["model"] == "plain"
    assert "Minerva-Fallback" in headers


def test_a_stream_names_who_answers_in_each_chunk_and_why_in_a_comment(api, key):
    status, _, body = post(api, key, "/v1/chat/completions", stream=True)

    assert status == 200
    assert ": moved to plain: hollow " in body.decode()
    lines = [line.removeprefix("data: ") for line in body.decode().splitlines()]
    chunks = [json.loads(line) for line in lines if line.startswith("{")]
    assert {chunk["model"] for chunk in chunks} == {"plain"}
    stream_id = chunks[0]["id"]
    _, _, again = api.get(f"/v1/streams/{stream_id}?after=0", key)
    events = b"\n\n".join(part for part in body.split(b"\n\n") if not part.startswith(b":"))
    assert b"\n\n".join(p for p in again.split(b"\n\n") if not p.startswith(b":")) == events


def test_what_it_took_is_counted_for_who_answered(api, key):
    post(api, key, "/v1/chat/completions")

    assert set(api.web.run(USAGE).split()) == {"plain"}


def test_who_insists_on_an_engine_or_on_tokens_gets_the_reason_and_when_to_come_again(api, key):
    """The first may be its trial, after which it is left alone: whether the tests before it took a minute
    or not."""
    post(api, key, "/v1/chat/completions", backend="llama.cpp")
    status, headers, body = post(api, key, "/v1/chat/completions", backend="llama.cpp")

    assert status == 503
    assert json.loads(body)["error"]["code"] == "model_load_failed"
    assert 0 < int(headers["Retry-After"]) <= MAX_OPEN_SECONDS


def test_a_key_that_is_not_for_the_other_model_gets_no_answer_of_it(api):
    only = api.web.run("from models_app.models import CatalogEntry\n"
        "print(CatalogEntry.objects.get(name='hollow').pk)")  # fmt: skip
    status, _, body = post(api, api.key(model_ids=[only]), "/v1/chat/completions")

    assert status == 503, body
