"""The bytes of one file into its part, from where it ends. Trusts nothing that the other side says of
how long it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx2

from models_app.downloads.storage import write_all
from models_app.hub.errors import HubError, HubNonsense, HubUnreachable
from models_app.hub.files import Headers, answer

SYNC_BYTES = 64 * 1024 * 1024


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
            with answer(url, start=have, size=size, headers_for=headers_for) as response:
                _append(response, file.fileno(), size=size, received=received)
        os.fsync(file.fileno())


def size_of(url: str, *, headers_for: Headers) -> int:
    """As the server says, before anything is fetched. Raises HubError."""
    with answer(url, headers_for=headers_for) as response:
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
        write_all(descriptor, piece)
        have += len(piece)
        if have - synced >= SYNC_BYTES:
            os.fsync(descriptor)
            synced = have
        received(len(piece))
    if have < size:
        raise HubUnreachable("The connection ended before the file did.")
