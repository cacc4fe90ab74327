"""The bytes of a file at the hub or elsewhere. Trusts nothing that the other side says: neither where its
answer begins, nor how it is packed, nor where it sends us.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import httpx2

from models_app.hub.client import Hub, check_status
from models_app.hub.errors import HubNonsense, HubOffline, HubUnreachable
from models_app.hub.http import CONNECT_SECONDS, client

# Without a byte for so long, the connection is given up.
STALL_SECONDS = 30.0
# For what somebody waits for at a page.
PAGE_SECONDS = 20.0
MAX_REDIRECTS = 5
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

Headers = Callable[[str], dict[str, str]]


def beginning_of(
    hub: Hub, url: str, *, most: int, size: int | None = None
) -> Generator[bytes, None, None]:
    """The first bytes of a file in pieces, `most` of them in all, within PAGE_SECONDS. Close it when you
    have enough. Raises HubError."""
    if hub.is_offline:
        raise HubOffline("Minerva is set to work offline.")
    until = time.monotonic() + PAGE_SECONDS
    left = most
    with answer(url, headers_for=hub.headers_for, stop=most, size=size) as response:
        for piece in response.iter_raw():
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return
            if time.monotonic() > until:
                raise HubUnreachable(f"{hub.host} is too slow. Try again later.")


@contextmanager
def answer(
    url: str, *, headers_for: Headers, start: int = 0, stop: int = 0, size: int | None = None
) -> Iterator[httpx2.Response]:
    """With the file's bytes from `start`, before `stop` if that is not 0; an answer with status 200 has
    all of them from the first. Raises HubError, also for what goes wrong while it is read."""
    timeout = httpx2.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS)
    asked_host = urlsplit(url).hostname or ""
    try:
        for _ in range(MAX_REDIRECTS + 1):
            headers = {"Accept-Encoding": "identity", **headers_for(url)}
            if start or stop:
                headers["Range"] = f"bytes={start}-{stop - 1 if stop else ''}"
            with client().stream("GET", url, headers=headers, timeout=timeout) as response:
                if not response.is_redirect:
                    _check(response, start, size, asked_host)
                    yield response
                    return
                url = _redirected(url, response, asked_host)
        raise HubNonsense(f"{asked_host} sends from one address to the next without an end.")
    except httpx2.TimeoutException as error:
        raise HubUnreachable(
            f"Nothing came from {asked_host} for {STALL_SECONDS:.0f} s."
        ) from error
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        raise HubUnreachable(f"The connection to {asked_host} broke.") from error
    except (httpx2.InvalidURL, ValueError) as error:
        raise HubNonsense(f"{asked_host} named an address that is none.") from error


def _check(response: httpx2.Response, start: int, size: int | None, host: str) -> None:
    """It is what was asked for: this file, from there on, as it is."""
    if response.status_code == 416:
        raise HubNonsense(f"{host} has a shorter file than it said.")
    check_status(response, host)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise HubNonsense(f"{host} sent the file packed, which was not asked for.")
    if response.status_code == 206:
        begins, total = _range(response.headers.get("Content-Range", ""), host)
        if begins != start:
            raise HubNonsense(f"{host} sent another part of the file than was asked for.")
    else:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
    if None not in (size, total) and total != size:
        raise HubNonsense(f"{host} has a file of another size than it said.")


def _range(value: str, host: str) -> tuple[int, int | None]:
    match = RANGE.fullmatch(value)
    if match is None:
        raise HubNonsense(f"{host} did not say which part of the file it sent.")
    return int(match[1]), None if match[3] == "*" else int(match[3])


def _redirected(url: str, response: httpx2.Response, asked_host: str) -> str:
    """Never from https to http, and never into a private network that the first address is not of."""
    target = urljoin(url, response.headers.get("Location", ""))
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HubNonsense(f"{asked_host} sends to an address that is none.")
    if urlsplit(url).scheme == "https" and parts.scheme != "https":
        raise HubNonsense(f"{asked_host} sends to an address that is not encrypted.")
    if _is_private(parts.hostname) and not _is_private(asked_host):
        raise HubNonsense(f"{asked_host} sends into this machine's own network.")
    return target


def _is_private(host: str) -> bool:
    """Any of its addresses is not one of the internet."""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except OSError:
        return False  # connecting will fail, and say so
    return any(not ipaddress.ip_address(one[4][0]).is_global for one in found)
