"""The bytes of one file into its part, from where it ends. Trusts nothing that the other side says:
neither where its answer begins, nor how long it is, nor where it sends us.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2

from models_app.hub.client import check_status
from models_app.hub.errors import HubError, HubNonsense, HubUnreachable
from models_app.hub.http import CONNECT_SECONDS, client

# Without a byte for so long, the connection is given up.
STALL_SECONDS = 30.0
MAX_REDIRECTS = 5
SYNC_BYTES = 64 * 1024 * 1024
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")

Headers = Callable[[str], dict[str, str]]


class LongerThanPromised(HubError):
    """More bytes came than the file has."""


def fetch(
    url: str, part: Path, *, size: int, headers_for: Headers, received: Callable[[int], None]
) -> None:
    """Append to `part` what it lacks of `size` bytes. `received` is told of each piece, and may raise to
    stop: what came until then stays.

    Raises HubError (transient: ask again, it goes on from where it was) and OSError of the disk.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as file:
        if file.tell() > size:
            file.truncate(0)
            file.seek(0)
        have = file.tell()
        if have < size:
            with _answer(url, have, size, headers_for) as response:
                _append(response, file.fileno(), size=size, received=received)
        os.fsync(file.fileno())


def size_of(url: str, *, headers_for: Headers) -> int:
    """As the server says, before anything is fetched. Raises HubError."""
    with _answer(url, 0, None, headers_for) as response:
        length = response.headers.get("Content-Length", "")
    if not length.isdigit() or length == "0":
        raise HubNonsense("The server does not say how long the file is.")
    return int(length)


def _append(
    response: httpx2.Response, descriptor: int, *, size: int, received: Callable[[int], None]
) -> None:
    have = os.lseek(descriptor, 0, os.SEEK_END)
    if response.status_code == 200 and have:
        # It begins from the start, whatever was asked for.
        os.ftruncate(descriptor, 0)
        received(-have)
        have = 0
    synced = have
    for piece in response.iter_raw():
        if have + len(piece) > size:
            raise LongerThanPromised("More bytes came than the file has. Retry, or tell the owner.")
        _write(descriptor, piece)
        have += len(piece)
        if have - synced >= SYNC_BYTES:
            os.fsync(descriptor)
            synced = have
        received(len(piece))
    if have < size:
        raise HubUnreachable("The connection ended before the file did.")


def _write(descriptor: int, piece: bytes) -> None:
    """All of it: one call may take less on a disk that fills up."""
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


@contextmanager
def _answer(
    url: str, have: int, size: int | None, headers_for: Headers
) -> Iterator[httpx2.Response]:
    timeout = httpx2.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS)
    asked_host = urlsplit(url).hostname or ""
    try:
        for _ in range(MAX_REDIRECTS + 1):
            headers = {"Accept-Encoding": "identity", **headers_for(url)}
            if have:
                headers["Range"] = f"bytes={have}-"
            with client().stream("GET", url, headers=headers, timeout=timeout) as response:
                if not response.is_redirect:
                    _check(response, have, size, asked_host)
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


def _check(response: httpx2.Response, have: int, size: int | None, host: str) -> None:
    """It is what was asked for: this file, from there on, as it is."""
    if response.status_code == 416:
        raise HubNonsense(f"{host} has a shorter file than it said.")
    check_status(response, host)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise HubNonsense(f"{host} sent the file packed, which was not asked for.")
    if response.status_code == 206:
        begins, total = _range(response.headers.get("Content-Range", ""), host)
        if begins != have:
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
