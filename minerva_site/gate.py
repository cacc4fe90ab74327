"""The outermost ASGI layer: what is settled before Channels or Django see a connection.

1. `root_path` is ours: Daphne takes it from a header that any client can send.
2. Who the client is and whether it came by HTTPS is what the connection says; what headers say of it
   is believed from the proxies that were named in the settings, and taken away from all others.
3. Exactly one `Host`, and it is one of our names with one of our ports.
4. A request names a path, not a whole address (a proxy's form of request).
5. A websocket, and a request of a browser that changes something, comes from a page of ours: scheme,
   host and port of `Origin` equal those of `Host`. The API has keys in place of cookies, and its own
   rule about origins.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from minerva_site.hosts import normal_authority
from minerva_site.refusal_page import CONTENT_SECURITY_POLICY, api_error_of, page_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
API_PATHS = ("/v1/", "/tokenize", "/detokenize")
FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto")


class Gate:
    def __init__(
        self,
        application: Application,
        *,
        authorities: frozenset[str],
        serves_https: bool = False,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self._application = application
        self._authorities = authorities
        self._serves_https = serves_https
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._application(scope, receive, send)
        scope = self._settled(scope)
        if not self._is_addressed_to_us(scope):
            return await refuse(scope, send, 400, *_wrong_address(only_header(scope, b"host")))
        if not may_come_from(scope):
            return await refuse(scope, send, 403, *_wrong_page(only_header(scope, b"origin")))
        return await self._application(scope, receive, send)

    def _settled(self, scope: Scope) -> Scope:
        """The scope with `root_path`, `scheme` and `client` as they are."""
        # Daphne names no scheme for a websocket.
        is_secure, client = self._serves_https or _is_secure(scope), scope.get("client")
        if client is not None and self._is_trusted(client[0]):
            proto = only_header(scope, b"x-forwarded-proto")
            is_secure = is_secure if proto is None else proto.strip().lower() == "https"
            client = self._forwarded_client(scope) or client
        scheme = "http" if scope["type"] == "http" else "ws"
        headers = [(name, value) for name, value in scope["headers"] if name not in FORWARDED]
        return {
            **scope,
            "root_path": "",
            "scheme": f"{scheme}s" if is_secure else scheme,
            "client": client,
            "headers": headers,
        }

    def _forwarded_client(self, scope: Scope) -> list[Any] | None:
        """The last address that no trusted proxy of ours added: those before it anybody can invent."""
        said = only_header(scope, b"x-forwarded-for") or ""
        for part in reversed(said.split(",")):
            try:
                address = str(ipaddress.ip_address(part.strip().strip("[]")))
            except ValueError:
                return None
            if not self._is_trusted(address):
                return [address, 0]
        return None

    def _is_trusted(self, address: str) -> bool:
        try:
            client = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(client in network for network in self._trusted_proxies)

    def _is_addressed_to_us(self, scope: Scope) -> bool:
        host = only_header(scope, b"host")
        path: str = scope["path"]
        if host is None or path[:1] != "/":
            return False
        return normal_authority(host, is_secure=_is_secure(scope)) in self._authorities


def may_come_from(scope: Scope) -> bool:
    if scope["type"] == "websocket":
        return is_same_origin(scope)
    if scope.get("method", "GET") in SAFE_METHODS or scope["path"].startswith(API_PATHS):
        return True
    sends_origin = any(name == b"origin" for name, _ in scope["headers"])
    return not sends_origin or is_same_origin(scope)  # without one, Django's token still has to fit


def is_same_origin(scope: Scope) -> bool:
    """Call only with a scope whose Host was checked."""
    scheme = "https" if _is_secure(scope) else "http"
    host, origin = only_header(scope, b"host"), only_header(scope, b"origin")
    return (
        host is not None and origin is not None and origin.lower() == f"{scheme}://{host}".lower()
    )


def _is_secure(scope: Scope) -> bool:
    return scope.get("scheme") in ("https", "wss")


def only_header(scope: Scope, name: bytes) -> str | None:
    """The value of a header that came exactly once."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin1") if len(values) == 1 else None


def _wrong_address(host: str | None) -> tuple[str, str]:
    """Tells none of the addresses that are right: the page may be asked for by a foreign site."""
    named = f"You came by “{host[:200]}”. " if host else ""
    return (
        "This address is not one of Minerva's",
        f"{named}Use an address that Minerva printed when it started, port included. If this one is "
        "right, for instance that of a proxy, add it to MINERVA_ALLOWED_HOSTS and start again.",
    )


def _wrong_page(origin: str | None) -> tuple[str, str]:
    named = f"It came from “{origin[:200]}”. " if origin else ""
    return (
        "This page is not one of Minerva's",
        f"{named}Nothing was changed. Open Minerva by its own address and do it there. Behind a proxy "
        "with HTTPS, name the proxy in MINERVA_TRUSTED_PROXIES.",
    )


async def refuse(scope: Scope, send: Send, status: int, title: str, sentence: str) -> None:
    if scope["type"] == "websocket":
        # Before it was accepted, a close is answered as 403.
        await send({"type": "websocket.close", "code": 4003})
        return
    is_program = scope["path"].startswith(API_PATHS)
    body = api_error_of(sentence, "refused") if is_program else page_of(title, sentence)
    headers = [
        (b"content-type", b"application/json" if is_program else b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", CONTENT_SECURITY_POLICY),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
