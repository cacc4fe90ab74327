"""The HTTP clients of remote servers. They connect to the address that was checked, and nowhere else:
no redirect, no proxy of the environment; the key goes to the origin that it was given for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from inference.errors import RemoteUnreachable
from inference.remote.addresses import checked_base_url, checked_key, resolved

CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0
PORTS = {"http": 80, "https": 443}
# It would write each address into the log.
logging.getLogger("httpx2").setLevel(logging.WARNING)


def client(base_url: str, key: str = "") -> httpx2.AsyncClient:
    """For one server. Its reads wait for as long as the caller lets them. Raises InvalidRequest."""
    base, headers = checked_base_url(base_url), _headers(key)
    timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS, write=WRITE_SECONDS, pool=None)
    # One connection a request: a kept one may be closed by its server just when it is used again.
    limits = httpx2.Limits(max_keepalive_connections=0)
    inner = httpx2.AsyncHTTPTransport(trust_env=False, limits=limits)
    transport = Transport(inner, httpx2.URL(base))
    return httpx2.AsyncClient(
        base_url=base, headers=headers, timeout=timeout, transport=transport, trust_env=False
    )


class Transport(httpx2.AsyncBaseTransport):
    """Goes to the origin of `base` and to no other. Raises RemoteUnreachable."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, base: httpx2.URL) -> None:
        self._inner = inner
        self._base = base

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host, port = _own_origin(request.url, self._base)
        *others, last = await asyncio.to_thread(resolved, host, port)
        for address in others:
            try:
                return await self._inner.handle_async_request(_to(address, request))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_to(last, request))

    async def aclose(self) -> None:
        await self._inner.aclose()


@contextmanager
def network_errors() -> Iterator[None]:
    """As RemoteUnreachable, without an address in its words."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise RemoteUnreachable(
            "The server cannot be reached. Check that it runs, and its address.", reason="connect"
        ) from error
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise RemoteUnreachable(
            "The server did not answer in time. Try again in a moment.", reason="timeout"
        ) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        raise RemoteUnreachable(
            "The server broke off the connection. Text that has come is kept. Try again in a moment.",
            reason="broke_off",
        ) from error


def _headers(key: str) -> dict[str, str]:
    key = checked_key(key)
    # A packed answer of some bytes can be gigabytes.
    return {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})


def _own_origin(url: httpx2.URL, base: httpx2.URL) -> tuple[str, int]:
    if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
        raise RemoteUnreachable("The server sends elsewhere, which Minerva does not follow.")
    return url.host, url.port or PORTS[url.scheme]


def _to(address: str, request: httpx2.Request) -> httpx2.Request:
    """The same request, connected to this address; Host and certificate are still of the name."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
