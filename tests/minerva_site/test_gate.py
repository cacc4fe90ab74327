"""Which connections get past the outermost layer: names, ports, origins."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Any

import pytest

from minerva_site.gate import Gate, Message, Scope

Header = tuple[bytes, bytes]

AUTHORITIES = frozenset({"127.0.0.1:8463", "localhost:8463", "minerva.lan:80"})


class Inside:
    """The application behind the gate: remembers the scopes that reached it."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope, receive, send) -> None:
        self.scopes.append(scope)


async def knock(
    *,
    kind: str = "http",
    path: str = "/",
    headers: Sequence[Header] = (),
    options: dict[str, Any] | None = None,
    **scope: Any,
) -> tuple[list[Scope], list[Message]]:
    """Answers (reached the application, first message sent)."""
    inside = Inside()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is to be received")

    gate = Gate(inside, authorities=AUTHORITIES, **(options or {}))
    await gate({"type": kind, "path": path, "headers": list(headers), **scope}, receive, send)
    return inside.scopes, sent


@pytest.mark.parametrize(
    "host",
    [b"127.0.0.1:8463", b"localhost:8463", b"LOCALHOST:8463", b"minerva.lan", b"minerva.lan:80"],
)
async def test_a_request_to_one_of_our_names_passes(host):
    scopes, sent = await knock(headers=[(b"host", host)])

    assert len(scopes) == 1
    assert sent == []


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b"127.0.0.1:8463", b"127.0.0.1:8463"],
        [b"127.0.0.1:8463", b"evil.example"],
        [b"127.0.0.1:8463,evil.example"],
        [b"127.0.0.1"],
        [b"127.0.0.1:9999"],
        [b"evil.example:8463"],
        [b"evil.example"],
        [b"minerva.lan:8463"],
        [b"user@127.0.0.1:8463"],
        [b"127.0.0.1:8463/"],
        [b"127.0.0.1:"],
        [b""],
        [b"localhost.:8463"],
        [b"127.0.0.1:8463\x00"],
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_any_other_host_is_refused(kind, hosts):
    headers = [(b"host", host) for host in hosts]
    headers.append((b"origin", b"http://127.0.0.1:8463"))

    scopes, sent = await knock(kind=kind, headers=headers)

    assert scopes == []
    assert sent[0]["type"] in ("http.response.start", "websocket.close")
    assert sent[0].get("status", 400) == 400


@pytest.mark.parametrize("path", ["http://evil.example/", "*", ""])
async def test_a_request_that_names_more_than_a_path_is_refused(path):
    scopes, sent = await knock(path=path, headers=[(b"host", b"127.0.0.1:8463")])

    assert scopes == []
    assert sent[0]["status"] == 400


async def test_the_root_path_a_client_sent_is_dropped():
    scopes, _ = await knock(headers=[(b"host", b"127.0.0.1:8463")], root_path="//evil.example")

    assert scopes[0]["root_path"] == ""


async def test_a_websocket_from_our_own_page_passes():
    scopes, sent = await knock(
        kind="websocket",
        headers=[(b"host", b"127.0.0.1:8463"), (b"origin", b"http://127.0.0.1:8463")],
    )

    assert len(scopes) == 1
    assert sent == []


@pytest.mark.parametrize(
    "origins",
    [
        [],
        [b"null"],
        [b""],
        [b"http://127.0.0.1"],
        [b"http://127.0.0.1:9999"],
        [b"https://127.0.0.1:8463"],
        [b"ws://127.0.0.1:8463"],
        [b"http://localhost:8463"],
        [b"http://sub.127.0.0.1:8463"],
        [b"http://evil.example"],
        [b"http://127.0.0.1:8463.evil.example"],
        [b"http://127.0.0.1:8463/"],
        [b"http://127.0.0.1:8463", b"http://127.0.0.1:8463"],
    ],
)
async def test_a_websocket_from_any_other_origin_is_refused(origins):
    headers = [(b"host", b"127.0.0.1:8463"), *((b"origin", origin) for origin in origins)]

    scopes, sent = await knock(kind="websocket", headers=headers)

    assert scopes == []
    assert sent == [{"type": "websocket.close", "code": 4003}]


async def test_a_tls_websocket_needs_an_https_origin():
    headers = [(b"host", b"127.0.0.1:8463"), (b"origin", b"http://127.0.0.1:8463")]

    scopes, _ = await knock(kind="websocket", scheme="wss", headers=headers)

    assert scopes == []


HOST = (b"host", b"127.0.0.1:8463")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("origin", [b"http://evil.example", b"null", b"http://127.0.0.1:9999"])
async def test_a_change_asked_for_by_another_site_is_refused_in_words(method, origin):
    scopes, sent = await knock(method=method, headers=[HOST, (b"origin", origin)])

    assert scopes == []
    assert sent[0]["status"] == 403
    assert "Nothing was changed" in sent[1]["body"].decode()


async def test_a_change_from_our_own_page_passes():
    scopes, _ = await knock(method="POST", headers=[HOST, (b"origin", b"http://127.0.0.1:8463")])

    assert len(scopes) == 1


async def test_the_api_has_its_own_rule_about_origins():
    origin = (b"origin", b"http://editor.example")

    scopes, _ = await knock(method="POST", path="/v1/chat/completions", headers=[HOST, origin])

    assert len(scopes) == 1


async def test_the_page_of_a_wrong_address_names_it_harmlessly_and_no_right_one():
    _, sent = await knock(headers=[(b"host", b"evil<script>:1")])

    page = sent[1]["body"].decode()
    assert "evil&lt;script&gt;" in page
    assert "127.0.0.1" not in page


async def test_a_refusal_brings_its_style_along_and_lets_nothing_else_in():
    _, sent = await knock(headers=[(b"host", b"evil:1")])

    style = sent[1]["body"].split(b"<style>")[1].split(b"</style>")[0]
    hashed = base64.b64encode(hashlib.sha256(style).digest()).decode()
    policy = dict(sent[0]["headers"])[b"content-security-policy"].decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{hashed}'; frame-ancestors 'none'"


async def test_with_https_a_websocket_comes_from_an_https_page():
    headers = [HOST, (b"origin", b"https://127.0.0.1:8463")]

    scopes, _ = await knock(kind="websocket", headers=headers, options={"serves_https": True})

    assert scopes[0]["scheme"] == "wss"


PROXY = {"trusted_proxies": [ipaddress.ip_network("10.0.0.0/8")]}
SAID = [(b"x-forwarded-for", b"6.6.6.6, 192.0.2.7, 10.0.0.3"), (b"x-forwarded-proto", b"https")]


async def test_a_named_proxy_is_believed_about_client_and_scheme():
    scopes, _ = await knock(
        headers=[(b"host", b"minerva.lan:80"), *SAID], client=["10.0.0.2", 5], options=PROXY
    )

    assert scopes[0]["scheme"] == "https"
    assert scopes[0]["client"] == ["192.0.2.7", 0]


async def test_anybody_else_is_not_believed_and_the_headers_are_gone():
    scopes, _ = await knock(headers=[HOST, *SAID], client=["192.0.2.9", 5], options=PROXY)

    assert scopes[0]["scheme"] == "http"
    assert scopes[0]["client"] == ["192.0.2.9", 5]
    assert scopes[0]["headers"] == [HOST]


@pytest.mark.parametrize("said", [b"", b"nonsense", b"1.2.3.4;5", b"10.0.0.9", b"," * 5000])
async def test_a_proxy_that_says_nonsense_stays_the_client(said):
    headers = [HOST, (b"x-forwarded-for", said)]

    scopes, _ = await knock(headers=headers, client=["10.0.0.2", 5], options=PROXY)

    assert scopes[0]["client"] == ["10.0.0.2", 5]
