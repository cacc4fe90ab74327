"""Requests made from the OpenAPI document, right ones and wrong ones: never a 500, never a hang."""

from __future__ import annotations

import json
from collections.abc import Iterator

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from api.openapi import document
from tests.process.api_process import ApiProcess

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

SCRIPTS = {"plain": "The answer.", "embeds": "embeds"}
schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document())))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path_factory.mktemp("api"), SCRIPTS) as api:
        yield api


@pytest.fixture(scope="module")
def key(api: ApiProcess) -> str:
    return api.key()


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[hypothesis.Phase.generate],
)
def test_no_request_breaks_the_server(case, api, key):
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {key}"}
    if isinstance(case.body, dict) and case.path != "/v1/embeddings":
        case.body = {**case.body, "model": "plain", "max_tokens": 5}

    answer = case.call(base_url=api.url, timeout=60)

    assert answer.status_code < 500 or answer.headers.get("Retry-After"), answer.text
    if answer.status_code >= 400:
        assert answer.json()["error"]["message"]


def test_the_server_still_answers_and_logged_no_traceback(api, key):
    asked = {"model": "plain", "messages": [{"role": "user", "content": "x"}]}

    assert api.post("/v1/chat/completions", asked, key)[0] == 200
    assert "Traceback" not in api.web.output.read_text()
