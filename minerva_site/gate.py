"""The outermost ASGI layer: what is settled before Channels or Django see a connection.

1. `root_path` is ours: Daphne takes it from a header that any client can send.
2. Exactly one `Host`, and it is one of our names with one of our ports.
3. A request names a path, not a whole address (a proxy's form of request).
4. A websocket comes from a page of ours: scheme, host and port of `Origin` equal those of `Host`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from minerva_site.hosts import normal_authority

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gate:
    def __init__(self, application: Application, *, authorities: frozenset[str]) -> None:
        self._application = application
        self._authorities = authorities

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._application(scope, receive, send)
        scope = {**scope, "root_path": ""}
        if not self._is_addressed_to_us(scope):
            return await refuse(scope, send, 400, "This address is not one of Minerva's.")
        if scope["type"] == "websocket" and not is_same_origin(scope):
            return await refuse(scope, send, 403, "This page is not one of Minerva's.")
        return await self._application(scope, receive, send)

    def _is_addressed_to_us(self, scope: Scope) -> bool:
        host = only_header(scope, b"host")
        path: str = scope["path"]
        return host is not None and path[:1] == "/" and normal_authority(host) in self._authorities


def is_same_origin(scope: Scope) -> bool:
    """Call only with a scope whose Host was checked."""
    scheme = {"ws": "http", "wss": "https"}[scope.get("scheme", "ws")]
    host, origin = only_header(scope, b"host"), only_header(scope, b"origin")
    return (
        host is not None and origin is not None and origin.lower() == f"{scheme}://{host}".lower()
    )


def only_header(scope: Scope, name: bytes) -> str | None:
    """The value of a header that came exactly once."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin1") if len(values) == 1 else None


async def refuse(scope: Scope, send: Send, status: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        # Before it was accepted, a close is answered as 403.
        await send({"type": "websocket.close", "code": 4003})
        return
    body = f"{sentence}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
