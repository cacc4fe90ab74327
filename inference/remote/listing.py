"""Which models a server has, as it says itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx2

from inference.errors import ModelLoadFailed, RemoteRefused
from inference.remote.bodies import fetched
from inference.remote.http import client
from inference.types import RemoteEndpoint

MAX_MODELS = 10_000
MAX_NAME_LENGTH = 300
MAX_NAMED = 5
MAX_WINDOW = 2**31 - 1
# As servers call the longest context window of a model.
WINDOWS = ("max_model_len", "context_window", "max_context_window", "max_context_length")


@dataclass(frozen=True)
class RemoteModel:
    """`name` is what requests call it. `owned_by`: as the server says, which tells most often what kind of
    server it is. `context_window` 0: it does not say."""

    name: str
    owned_by: str = ""
    context_window: int = 0


def list_models(endpoint: RemoteEndpoint) -> list[RemoteModel]:
    """In the order that the server tells them; `endpoint.model` plays no part. Takes seconds, in a thread
    that has no event loop. Raises InvalidRequest for an address or a key that is none,
    RemoteUnreachable, RemoteRefused."""

    async def ask() -> list[RemoteModel]:
        async with client(endpoint.base_url, endpoint.key) as server:
            return await models_of(server)

    return asyncio.run(ask())


async def models_of(server: httpx2.AsyncClient) -> list[RemoteModel]:
    """Raises RemoteUnreachable, RemoteRefused."""
    said = await fetched(server, "models")
    data = said.get("data") if isinstance(said, dict) else None
    if not isinstance(data, list):
        raise RemoteRefused(
            "The server does not tell its models as OpenAI's API does. Check that its address is the "
            "one of that API, which most often ends in /v1."
        )
    models = [_model(one) for one in data[:MAX_MODELS] if isinstance(one, dict)]
    return [one for one in models if one.name]


async def found_model(server: httpx2.AsyncClient, name: str) -> RemoteModel:
    """Raises RemoteUnreachable, RemoteRefused, and ModelLoadFailed where it has no such model."""
    models = await models_of(server)
    for model in models:
        if model.name == name:
            return model
    others = ", ".join(f"“{model.name}”" for model in models[:MAX_NAMED]) or "none"
    raise ModelLoadFailed(
        f"The server has no model “{name}” any more. It has: {others}. Choose one of them, or load "
        "this one there."
    )


def _model(told: dict[str, Any]) -> RemoteModel:
    name = told.get("id")
    is_name = isinstance(name, str) and len(name) <= MAX_NAME_LENGTH and name.isprintable()
    owner = told.get("owned_by")
    return RemoteModel(
        name if isinstance(name, str) and is_name else "",
        owner[:100] if isinstance(owner, str) and owner.isprintable() else "",
        _window(told),
    )


def _window(told: dict[str, Any]) -> int:
    meta = told.get("meta")
    of_meta = (
        [meta.get(name) for name in ("n_ctx", "n_ctx_train")] if isinstance(meta, dict) else []
    )
    for value in (*(told.get(name) for name in WINDOWS), *of_meta):
        if isinstance(value, int) and 0 < value <= MAX_WINDOW:
            return value
    return 0
