"""Texts in tokens, where a server has a way to ask: OpenAI's API has none."""

from __future__ import annotations

from typing import Any

import httpx2

from inference.errors import InvalidRequest, RemoteRefused
from inference.messages import Tokenize
from inference.remote.bodies import fetched
from inference.remote.requests import chat_of
from inference.remote.servers import LLAMA_CPP_PYTHON, MINERVA, VLLM, Kind
from inference.types import Tokens

MAX_ID = 2**31 - 1


async def tokens_of(
    server: httpx2.AsyncClient, command: Tokenize, *, model: str, kind: Kind
) -> Tokens:
    """Raises InvalidRequest, RemoteRefused, RemoteUnreachable."""
    root = str(server.base_url).rstrip("/").removesuffix("/v1")
    if not kind.tokens:
        raise _cannot("split texts into tokens", kind)
    if command.messages:
        return await _of_chat(server, root, command, model=model, kind=kind)
    if command.tokens:
        raise _cannot("put tokens together", kind)
    if kind is LLAMA_CPP_PYTHON:
        body: dict[str, Any] = {"model": model, "input": command.text}
    elif kind is VLLM:
        body = {"model": model, "prompt": command.text, "return_token_strs": False}
    else:
        body = {"model": model, "content": command.text, "with_pieces": True, "add_special": True}
    return _tokens(await fetched(server, root + kind.tokens, json=body))


async def _of_chat(
    server: httpx2.AsyncClient, root: str, command: Tokenize, *, model: str, kind: Kind
) -> Tokens:
    if kind not in (MINERVA, VLLM):
        raise _cannot("count the tokens of a conversation", kind)
    said = await fetched(server, root + kind.tokens, json={"model": model, **chat_of(command)})
    count = said.get("count") if isinstance(said, dict) else None
    if type(count) is not int or not 0 <= count <= MAX_ID:
        raise _nonsense()
    return Tokens(count)


def _tokens(said: Any) -> Tokens:
    told = said.get("tokens") if isinstance(said, dict) else None
    if not isinstance(told, list):
        raise _nonsense()
    ids = tuple(_id(one.get("id") if isinstance(one, dict) else one) for one in told)
    has_pieces = all(isinstance(one, dict) and "piece" in one for one in told)
    return Tokens(len(ids), ids, tuple(_piece(one["piece"]) for one in told) if has_pieces else ())


def _id(told: object) -> int:
    if isinstance(told, int) and 0 <= told <= MAX_ID:
        return told
    raise _nonsense()


def _piece(told: object) -> bytes:
    """A text, or its bytes where it is none."""
    if isinstance(told, list) and all(type(one) is int and 0 <= one < 256 for one in told):
        return bytes(told)
    if isinstance(told, str):
        return told.encode("utf-8", "replace")
    raise _nonsense()


def _cannot(what: str, kind: Kind) -> InvalidRequest:
    return InvalidRequest(
        f"The server of this model ({kind.name}) has no way known to Minerva to {what}.",
        field="model",
    )


def _nonsense() -> RemoteRefused:
    return RemoteRefused("The server's tokens make no sense.")
