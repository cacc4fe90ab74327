"""Which connections get past the outermost layer: names, ports, origins."""

from __future__ import annotations

from collections.abc import Sequence

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
    *, kind: str = "http", path: str = "/", headers: Sequence[Header] = (), **scope: str
) -> tuple[list[Scope], list[Message]]:
    """Answers (reached the application, first message sent)."""
    inside = Inside()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is to be received")

    gate = Gate(inside, authorities=AUTHORITIES)
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
