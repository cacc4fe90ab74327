"""Every API path and method, asked with every kind of key: refused or not as its row says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.test import AsyncClient

from accounts import keys
from accounts.key_models import Scope
from accounts.models import User
from api import rates
from api.urls import urlpatterns
from inference.client import InferenceClient
from models_app import engine, loading

pytestmark = pytest.mark.django_db(transaction=True)

METHODS = ("GET", "POST", "DELETE")
ASKED = {"model": "plain", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
TEXT = {"model": "plain", "input": "Hi", "prompt": "Hi", "content": "Hi", "tokens": [1]}
ALL = tuple(str(scope) for scope in Scope)
# By person, and the scopes of their key. A key without scopes is one that was revoked.
CALLERS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "nobody": ("", None),
    "a revoked key": ("administrator", ()),
    "viewer": ("viewer", ALL),
    "member": ("member", ALL),
    "administrator": ("administrator", ALL),
    **{f"member, {scope}": ("member", (scope,)) for scope in ALL},
    **{f"administrator, {scope}": ("administrator", (scope,)) for scope in ALL},
}

ASK_ALL_METHODS = ("nobody", "administrator")


@dataclass(frozen=True)
class Row:
    """`scope` "": any key. `computes`: not for viewers. `missing`: there is nothing of the kind in the test."""

    method: str
    scope: str = ""
    body: dict[str, Any] | None = None
    is_public: bool = False
    computes: bool = False
    missing: bool = False


ROWS = {
    "v1/models": Row("GET"),
    "v1/models/<path:model>/load": Row("POST", "manage", {}),
    "v1/models/<path:model>/unload": Row("POST", "manage", {}),
    "v1/models/<path:model>": Row("GET"),
    "v1/chat/completions": Row("POST", "generate", ASKED, computes=True),
    "v1/completions": Row("POST", "generate", TEXT, computes=True),
    "v1/messages": Row("POST", "generate", ASKED, computes=True),
    "v1/messages/count_tokens": Row("POST", "generate", ASKED, computes=True),
    "v1/responses": Row("POST", "generate", {"model": "plain", "input": "Hi"}, computes=True),
    "v1/streams/<str:stream_id>": Row("GET", "generate", missing=True),
    "v1/embeddings": Row("POST", "embed", TEXT, computes=True),
    "v1/health": Row("GET", is_public=True),
    "v1/stats": Row("GET", "manage"),
    "metrics": Row("GET", "manage"),
    "openapi.json": Row("GET", is_public=True),
    "tokenize": Row("POST", "generate", TEXT, computes=True),
    "detokenize": Row("POST", "generate", TEXT, computes=True),
}


@pytest.fixture
def secrets(entry, monkeypatch) -> dict[str, str]:
    """The key of each caller."""
    rates.reset()
    monkeypatch.setattr(loading, "STATUS_TIMEOUT_SECONDS", 0.01)  # no service runs here
    User.objects.create_user("viewer", is_viewer=True)
    User.objects.create_user("member")
    User.objects.create_superuser("administrator")
    return {caller: _secret(person, scopes) for caller, (person, scopes) in CALLERS.items()}


def _secret(person: str, scopes: tuple[str, ...] | None) -> str:
    if scopes is None:
        return ""
    owner = User.objects.get(username=person)
    new = keys.create(owner=owner, name="x", scopes=scopes or ALL)
    if not scopes:
        keys.revoke(new.key)
    return new.secret


async def status(secret: str, method: str, route: str) -> int:
    path = "/" + route.replace("<path:model>", "plain").replace("<str:stream_id>", "chatcmpl-0")
    row = ROWS[route]
    answer = await getattr(AsyncClient(), method.lower())(
        path,
        **({"data": json.dumps(row.body)} if method == "POST" else {}),
        **({"content_type": "application/json"} if method == "POST" else {}),
        headers={"Authorization": f"Bearer {secret}"} if secret else {},
    )
    return int(answer.status_code)


def refusal(row: Row, caller: str, method: str) -> int | None:
    """None: this one is let in."""
    person, scopes = CALLERS[caller]
    if method != row.method:
        return 405
    if row.is_public:
        return None
    if not scopes:
        return 401
    if row.scope and row.scope not in scopes:
        return 403
    may_not = (row.scope == "manage" and person != "administrator") or (
        row.computes and person == "viewer"
    )
    return 403 if may_not else None


@pytest.fixture(autouse=True)
def _nobody_waits_for_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none: whoever is let in is told so at once, and not after seconds."""
    client = InferenceClient(settings.INFERENCE_SOCKET, timeout=0.01)
    monkeypatch.setattr(engine, "inference_client", lambda **_: client)


def test_every_path_has_a_row_and_every_row_a_path():
    assert {str(one.pattern) for one in urlpatterns} == set(ROWS)


@pytest.mark.parametrize("route", sorted(ROWS))
async def test_a_path_answers_whom_it_is_for_and_nobody_else(route, secrets):
    wrong = []
    for caller, secret in secrets.items():
        for method in METHODS if caller in ASK_ALL_METHODS else (ROWS[route].method,):
            answered = await status(secret, method, route)
            expected = refusal(ROWS[route], caller, method)
            never = {401, 403, 405, 500} | (set() if ROWS[route].missing else {404})
            if answered in never if expected is None else answered != expected:
                wrong.append((caller, method, answered, expected))

    assert wrong == []
