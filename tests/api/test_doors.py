"""Who gets in, with what, and how everybody else is told so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import AsyncClient, AsyncRequestFactory

from accounts import keys
from accounts.key_models import ApiKey, Scope
from accounts.models import Quota, User
from api import middleware, rates, state_views
from inference.types import ModelState, ModelStatus, ServiceStatus
from models_app import catalog, loading
from models_app.models import CatalogEntry

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.fixture(autouse=True)
def no_earlier_requests(monkeypatch) -> None:
    rates.reset()
    monkeypatch.setattr(loading, "STATUS_TIMEOUT_SECONDS", 0.01)  # no service runs here


def made(owner: User, *scopes: str, **options: Any) -> str:
    return keys.create(owner=owner, name="x", scopes=scopes or tuple(Scope), **options).secret


@pytest.fixture
def key(ada: User, entry) -> str:
    return made(ada)


async def get(path: str, key: str = "", **headers: str):
    given = {"Authorization": f"Bearer {key}", **headers} if key else headers
    return await AsyncClient().get(path, headers=given)


async def post(
    path: str, body: Any, key: str, content_type: str = "application/json", **headers: str
):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await AsyncClient().post(
        path, data, content_type=content_type, headers={"Authorization": f"Bearer {key}", **headers}
    )


@pytest.fixture
def twin(entry: CatalogEntry) -> Iterator[CatalogEntry]:
    """Another model of the same name."""
    path = Path(entry.path).parent / "twin" / Path(entry.path).name
    path.parent.mkdir()
    shutil.copy(entry.path, path)
    catalog.scan()
    yield CatalogEntry.objects.get(path=str(path))
    shutil.rmtree(path.parent)


def answering(value: Any) -> Any:
    async def answer(*_: Any, **__: Any) -> Any:
        return value

    return answer


def code_of(answer: Any) -> str:
    return str(answer.json()["error"]["code"])


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic eDp5"},
        {"Authorization": "Bearer sk-wrong"},
        {"X-Api-Key": "sk-minerva-00000000-xxxx"},
        {"Authorization": "Bearer ü\x00"},
    ],
)
async def test_without_a_key_that_is_known_nobody_gets_in(key, headers):
    answer = await AsyncClient().get("/v1/models", headers=headers)

    assert answer.status_code == 401
    assert code_of(answer) == "invalid_api_key"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_both_headers_are_taken_and_two_different_keys_are_not(key, ada):
    from asgiref.sync import sync_to_async

    other = await sync_to_async(made)(ada)
    assert (await get("/v1/models", key)).status_code == 200
    assert (await AsyncClient().get("/v1/models", headers={"X-Api-Key": key})).status_code == 200
    assert (await get("/v1/models", key, **{"X-Api-Key": key})).status_code == 200
    assert (await get("/v1/models", key, **{"X-Api-Key": other})).status_code == 401


async def test_a_session_does_not_let_a_program_in(ada, key):
    client = AsyncClient()
    await client.aforce_login(ada)

    assert (await client.get("/v1/models")).status_code == 401


async def test_a_key_does_not_open_pages(key):
    answer = await get("/account/keys/", key)

    assert answer.status_code == 302


async def test_a_key_in_the_address_is_refused(key):
    answer = await get(f"/v1/models?api_key={key}")

    assert answer.status_code == 400
    assert code_of(answer) == "key_in_address"


async def test_revoked_expired_and_switched_off_keys_let_nobody_in(ada, grace, entry):
    from asgiref.sync import sync_to_async

    revoked = await sync_to_async(made)(ada)
    key = await sync_to_async(keys.find)(revoked)
    assert key is not None
    await sync_to_async(keys.revoke)(key)
    expired = await sync_to_async(made)(ada, lifetime=timedelta(seconds=-1))
    switched_off = await sync_to_async(made)(grace)
    await User.objects.filter(pk=grace.pk).aupdate(is_active=False)

    for secret in (revoked, expired, switched_off):
        assert (await get("/v1/models", secret)).status_code == 401


async def test_its_use_is_noted(ada, key):
    await get("/v1/models", key)

    assert (await ApiKey.objects.aget(owner=ada)).last_used_at is not None


@pytest.mark.parametrize(
    ("scopes", "path", "body"),
    [
        (["embed"], CHAT, {"model": "plain", "messages": MESSAGES}),
        (["embed", "manage"], "/v1/completions", {"model": "plain", "prompt": "x"}),
        (["embed"], "/v1/messages", {"model": "plain", "messages": MESSAGES, "max_tokens": 1}),
        (["embed"], "/v1/responses", {"model": "plain", "input": "x"}),
        (["embed"], "/tokenize", {"model": "plain", "content": "x"}),
        (["generate"], "/v1/embeddings", {"model": "plain", "input": "x"}),
        (["generate", "embed"], "/v1/models/plain/load", {}),
        (["generate", "embed"], "/v1/models/plain/unload", {}),
    ],
)
async def test_a_key_opens_only_what_it_is_for(ada, entry, scopes, path, body):
    from asgiref.sync import sync_to_async

    answer = await post(path, body, await sync_to_async(made)(ada, *scopes))

    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/metrics", "/v1/stats"])
async def test_figures_are_for_administrators_whose_key_says_so(ada, grace, entry, path):
    from asgiref.sync import sync_to_async

    of_member = await sync_to_async(made)(grace)
    unfit = await sync_to_async(made)(ada, "generate")
    fit = await sync_to_async(made)(ada, "manage")

    statuses = [(await get(path, one)).status_code for one in ("", of_member, unfit, fit)]

    assert statuses == [401, 403, 403, 200]


async def test_figures_have_the_names_of_the_list_and_are_of_the_keys_models(
    ada, entry, twin, monkeypatch
):
    from asgiref.sync import sync_to_async

    loaded = [ModelStatus(model_id=str(one.pk), state=ModelState.READY) for one in (entry, twin)]
    monkeypatch.setattr(
        state_views, "aservice_status", answering(ServiceStatus(pid=1, models=(*loaded,)))
    )
    of_all = await sync_to_async(made)(ada)
    of_one = await sync_to_async(made)(ada, model_ids=[twin.pk])

    listed = {one["id"] for one in (await get("/v1/models", of_all)).json()["data"]}
    figures = {one["id"] for one in (await get("/v1/stats", of_all)).json()["models"]}
    assert figures <= listed
    assert len(figures) == 2
    (its_own,) = (await get("/v1/stats", of_one)).json()["models"]
    assert twin.pk.hex[:8] in its_own["id"]
    measured = (await get("/metrics", of_one)).text
    assert measured.count("minerva_model_ready{") == 1
    assert its_own["id"] in measured


async def test_a_key_for_some_models_knows_of_no_others(ada, entry):
    from uuid import uuid4

    from asgiref.sync import sync_to_async

    other = await sync_to_async(made)(ada, model_ids=[uuid4()])
    own = await sync_to_async(made)(ada, model_ids=[entry.pk])

    assert (await get("/v1/models", other)).json()["data"] == []
    missing = await get("/v1/models/nowhere", other)
    hidden = await get("/v1/models/plain", other)
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.replace("plain", "nowhere") == missing.text
    assert [one["id"] for one in (await get("/v1/models", own)).json()["data"]] == ["plain"]
    answer = await post(CHAT, {"model": "plain", "messages": MESSAGES}, other)
    assert code_of(answer) == "model_not_found"


async def test_a_key_makes_no_more_requests_a_minute_than_it_may(ada, entry, monkeypatch):
    from asgiref.sync import sync_to_async

    secret = await sync_to_async(made)(ada, requests_per_minute=2)
    now = 1000.0
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: now))
    assert [(await get("/v1/models", secret)).status_code for _ in range(3)] == [200, 200, 429]

    answer = await get("/v1/models", secret)
    assert answer.headers["Retry-After"] == "60"
    now += 61
    assert (await get("/v1/models", secret)).status_code == 200


async def test_what_can_never_work_is_refused_before_a_spent_quota(ada, entry, key):
    await Quota.objects.acreate(user=ada, hours=24, max_requests=0)
    body = {"model": "plain", "messages": MESSAGES}

    spent = await post(CHAT, body, key)
    elsewhere = await post(CHAT, {**body, "backend": "mlx"}, key)

    assert (spent.status_code, code_of(spent)) == (429, "quota_exceeded")
    assert (elsewhere.status_code, elsewhere.json()["error"]["param"]) == (400, "backend")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nowhere", "/v1/", CHAT])
async def test_every_answer_has_the_id_of_its_request(key, path):
    answer = await get(path, key, **{"X-Request-Id": "mine-1"})
    assert answer.headers["X-Request-Id"] == "mine-1"

    for wrong in ("", "x" * 65, "a b", "a\nb"):
        answer = await get(path, key, **{"X-Request-Id": wrong})
        assert answer.headers["X-Request-Id"].startswith("req_")


async def test_other_methods_and_addresses_are_refused_in_words(key):
    answer = await get(CHAT, key)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert (await get("/v1/nowhere", key)).json()["error"]["code"] == "unknown_url"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b" ", "application/json", 400),
        (b"null", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"messages": ' + b"[" * 100 + b"]" * 100 + b"}", "application/json", 400),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json", 400),
        (b'{"model": "plain", "messages": [], "temperature": NaN}', "application/json", 400),
        (b'{"model": "plain", "messages": []}', "text/plain", 415),
        (b"model=plain", "application/x-www-form-urlencoded", 415),
    ],
)
async def test_what_is_no_request_is_refused_in_words(key, body, content_type, status):
    answer = await post(CHAT, body, key, content_type)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -1),
        ("temperature", "hot"),
        ("top_p", 2),
        ("max_tokens", -1),
        ("max_tokens", 0),
        ("max_tokens", 10**30),
        ("n", 0),
        ("n", 100),
        ("stop", ["x"] * 17),
        ("stop", [""]),
        ("stop", "x" * 257),
        ("logit_bias", {"x": 1}),
        ("logit_bias", {"9" * 30: 1}),
        ("logit_bias", {"-1": 1}),
        ("logit_bias", {"1": 101}),
        ("logit_bias", {str(one): 1 for one in range(1025)}),
        ("seed", -2),
        ("top_logprobs", 3),
        ("messages", []),
        ("messages", [{"role": "king", "content": "x"}]),
        ("messages", [{"role": "tool", "content": "x"}]),
        ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
        ("tools", [{"type": "function", "function": {"name": "a b"}}]),
        ("tools", [{"type": "function", "function": {"name": "a" * 129}}]),
        ("tools", [{"type": "retrieval"}]),
        ("tools", [{"type": "function", "function": {"name": "a"}}] * 2),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}),
        ("tool_choice", {"type": "function", "function": {"name": "nowhere"}}),
        ("response_format", {"type": "xml"}),
        ("response_format", {"type": "json_schema", "json_schema": {"schema": {"minimum": 1}}}),
        ("response_format", {"type": "json_schema", "json_schema": {"schema": []}}),
        ("grammar", "root ::= " + "(" * 100 + '"a"' + ")" * 100),
        ("grammar", 'root ::= "a"{1000000}'),
        ("backend", "cuda"),
        ("functions", [{}]),
        ("modalities", ["audio"]),
        ("chat_template_kwargs", []),
        ("chat_template_kwargs", {"x": "y" * 20_000}),
    ],
)
async def test_a_field_that_is_wrong_is_refused_in_words(key, field, value):
    answer = await post(CHAT, {"model": "plain", "messages": MESSAGES, field: value}, key)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"


def nested(depth: int) -> dict[str, Any]:
    return {"type": "array", "items": nested(depth - 1)} if depth else {"type": "string"}


@pytest.mark.parametrize("depth", [17, 100, 400])
async def test_a_schema_that_is_nested_too_deeply_is_refused(key, depth):
    form = {"type": "json_schema", "json_schema": {"schema": nested(depth)}}
    answer = await post(
        CHAT, {"model": "plain", "messages": MESSAGES, "response_format": form}, key
    )
    assert answer.status_code == 400

    tools = [{"type": "function", "function": {"name": "a", "parameters": nested(depth)}}]
    asked = {"model": "plain", "messages": MESSAGES, "tools": tools, "tool_choice": "required"}
    assert (await post(CHAT, asked, key)).status_code == 400


async def test_what_python_cannot_read_is_the_requests_fault(key):
    deep = '{"type":"array","items":' * 900 + "{}" + "}" * 900
    tool = '{"type":"function","function":{"name":"a","parameters":' + deep + "}}"
    fields = (
        '"chat_template_kwargs":{"x":' + "9" * 5000 + "}",
        '"tools":[' + tool + '],"tool_choice":"required"',
    )
    for field in fields:
        body = '{"model":"plain","messages":[{"role":"user","content":"x"}],' + field + "}"
        answer = await post(CHAT, body.encode(), key)
        assert (answer.status_code, answer.json()["error"]["type"]) == (
            400,
            "invalid_request_error",
        )

    answer = await get("/v1/models?" + "&".join(f"x{n}=1" for n in range(300)), key)
    assert (answer.status_code, code_of(answer)) == (400, "invalid_value")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": "x", "stream": True, "metadata": {"x": 10**30}}),
        ("/v1/responses", {"input": "x", "tool_choice": {"type": "allowed_tools"}}),
        ("/v1/messages", {"messages": MESSAGES, "max_tokens": 9, "mcp_servers": [{"url": "x"}]}),
        ("/v1/messages", {"messages": MESSAGES, "max_tokens": 9, "output_format": {"type": "x"}}),
        ("/v1/completions", {"prompt": "x", "echo": True, "logprobs": 0}),
    ],
)
async def test_what_would_change_the_result_is_refused(key, path, body):
    answer = await post(path, {"model": "plain", **body}, key)

    assert answer.status_code == 400, answer.text


async def test_an_event_of_another_stream_is_no_place_to_read_on_from(key):
    answer = await get("/v1/streams/chatcmpl-a", key, **{"Last-Event-ID": "chatcmpl-b:3"})

    assert answer.status_code == 400
    assert "another stream" in answer.json()["error"]["message"]


async def test_the_service_that_does_not_answer_is_worth_waiting_for(key, monkeypatch):
    from django.conf import settings

    from inference.client import InferenceClient
    from models_app import engine

    monkeypatch.setattr(
        engine,
        "inference_client",
        lambda **_: InferenceClient(settings.INFERENCE_SOCKET, timeout=0.05),
    )
    answer = await post(CHAT, {"model": "plain", "messages": MESSAGES}, key)

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert code_of(answer) == "service_unavailable"


async def test_no_other_site_may_read_unless_it_is_configured(key, settings):
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await AsyncClient().options(CHAT, headers=preflight)
    assert "Access-Control-Allow-Origin" not in answer.headers
    answer = await get("/v1/models", key, Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in answer.headers

    settings.API_ORIGINS = frozenset({"https://tools.example"})
    answer = await AsyncClient().options(
        CHAT, headers={**preflight, "Origin": "https://tools.example"}
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://tools.example"
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_site_that_is_configured_may_send_what_its_client_sends(settings, entry):
    settings.API_ORIGINS = frozenset({"https://tools.example"})
    asked = "authorization, x-stainless-lang, x-stainless-retry-count"
    preflight = {
        "Origin": "https://tools.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }

    answer = await AsyncClient().options(CHAT, headers=preflight)

    assert answer.headers["Access-Control-Allow-Headers"] == asked


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.9", {}, 401),
        ("", {}, 401),
        ("127.0.0.1", {"Origin": "http://127.0.0.1:8463"}, 401),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("127.0.0.1", {"Sec-Fetch-Site": "none"}, 401),
        ("127.0.0.1", {"Authorization": "Bearer none"}, 200),
        ("127.0.0.1", {"X-Api-Key": "sk-any"}, 200),
        ("192.168.1.7", {"Authorization": "Bearer none"}, 401),
        ("127.0.0.1", {"Authorization": "Bearer sk-minerva-00000000-xxxx"}, 401),
    ],
)
async def test_this_machine_needs_no_key_if_a_setting_says_so(
    ada, entry, settings, address, headers, status
):
    request = AsyncRequestFactory().get("/v1/models", headers=headers)
    request.META["REMOTE_ADDR"] = address
    assert (await middleware.answer(request)).status_code == 401

    settings.API_KEYLESS_USER = "ada"

    assert (await middleware.answer(request)).status_code == status


async def test_health_and_the_document_need_no_key(key):
    assert (await get("/v1/health")).json() == {"status": "ok"}
    document = (await get("/openapi.json")).json()
    assert "/v1/chat/completions" in document["paths"]


async def test_every_endpoint_stands_in_the_document_and_in_the_guide(key):
    import re
    from pathlib import Path

    from api.urls import urlpatterns

    document = (await get("/openapi.json")).json()["paths"]
    given = {"/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(one.pattern)) for one in urlpatterns}

    assert given - {"/openapi.json"} == set(document)
    guide = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
    for path in given:
        assert path.partition("{")[0].rstrip("/").rpartition("/")[2] in guide
