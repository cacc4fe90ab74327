"""What a server answers with, read within bounds. It may be a liar, or have broken down: whatever comes,
nothing of it is trusted, and what is shown is one line of plain text.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx2

from inference.errors import RemoteRefused
from inference.remote.http import network_errors

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_WORDS = 300
MAX_RETRY_SECONDS = 3600
# Of a whole exchange, however slowly it drips.
WHOLE_SECONDS = 20.0

HELP = {
    400: "It did not take the request",
    401: "It did not take the key: an administrator can change it",
    403: "It does not allow this with the key that it was given",
    404: "It does not know the model, or not this address",
    413: "The request is too long for it",
    429: "It has too many requests: try again in a moment",
    503: "It is busy, or still loads the model: try again in a moment",
}


async def fetched(
    client: httpx2.AsyncClient, path: str, *, seconds: float = WHOLE_SECONDS, **request: Any
) -> Any:
    """The JSON of an answer, to GET, or to POST with `json`. Raises RemoteUnreachable, RemoteRefused."""
    method = "POST" if "json" in request else "GET"
    with network_errors():
        async with asyncio.timeout(seconds), client.stream(method, path, **request) as response:
            body = await body_of(response)
    check_status(response, body)
    return json_of(body)


def check_status(response: httpx2.Response, body: bytes) -> None:
    """Raises RemoteRefused for all but a good answer, with the server's words and ours."""
    status = response.status_code
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise RemoteRefused("The server sends elsewhere, which Minerva does not follow.")
    meaning = HELP.get(status, f"It answered with status {status}")
    said = words_of(body)
    wait = _retry_after(response)
    raise RemoteRefused(
        f"The server refused. {meaning}." + (f" It says: {said}" if said else ""),
        status=status,
        **({"retry_after": wait} if wait else {}),
    )


def json_of(body: bytes) -> Any:
    """Raises RemoteRefused."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RemoteRefused(
            "The server's answer makes no sense: it is no JSON. Check that its address is the one of "
            "its API, which most often ends in /v1."
        ) from error


def words_of(body: bytes) -> str:
    """What an answer with an error says, "" if that is nothing to show: a web page, or no text."""
    try:
        said = json.loads(body[:MAX_ERROR_BYTES])
    except (ValueError, RecursionError):
        text = body[:MAX_ERROR_BYTES].decode("utf-8", "replace")
        return "" if "<" in text else one_line(text)
    return error_words(said)


def error_words(said: object) -> str:
    """Of JSON, in the forms that servers write errors in."""
    for _ in range(3):
        if not isinstance(said, dict):
            break
        known = (said.get(name) for name in ("error", "message", "detail", "msg"))
        said = next((one for one in known if one), "")
    return one_line(said) if isinstance(said, str) else ""


def one_line(text: str, *, most: int = MAX_WORDS) -> str:
    """Printable, without what could be taken for HTML."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * most])
    line = " ".join(re.sub(r"<[^<>]*>", " ", printable).split())
    return line if len(line) <= most else line[: most - 1] + "…"


async def body_of(response: httpx2.Response) -> bytes:
    """Raises RemoteRefused."""
    body = bytearray()
    check_encoding(response)
    async for part in response.aiter_raw():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise RemoteRefused("The server's answer is larger than any honest one.")
    return bytes(body)


def check_encoding(response: httpx2.Response) -> None:
    """Raises RemoteRefused."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise RemoteRefused("The server packs its answers, although it was asked not to.")


def _retry_after(response: httpx2.Response) -> int:
    said = response.headers.get("Retry-After", "")
    return min(int(said), MAX_RETRY_SECONDS) if said.isascii() and said.isdecimal() else 0
