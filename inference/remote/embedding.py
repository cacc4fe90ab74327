"""Vectors of texts, asked of a server in a few requests of which none has a giant answer."""

from __future__ import annotations

import math
from array import array
from typing import Any

import httpx2

from inference.errors import InvalidRequest, RemoteRefused
from inference.limits import check_inputs
from inference.messages import Embed
from inference.remote.bodies import fetched
from inference.remote.chunks import usage_of
from inference.types import Embedding

INPUTS_AT_ONCE = 16
MAX_LENGTH = 65_536
SECONDS = 600.0


async def vectors_of(
    server: httpx2.AsyncClient, embed: Embed, *, model: str
) -> tuple[list[Embedding], int]:
    """And how many tokens they had. Raises InvalidRequest, RemoteRefused, RemoteUnreachable."""
    check_inputs(embed.inputs)
    if embed.pooling is not None:
        raise InvalidRequest(
            "A remote server pools as its model was trained. Leave “pooling” out.", field="pooling"
        )
    found: list[Embedding] = []
    num_tokens = 0
    for first in range(0, len(embed.inputs), INPUTS_AT_ONCE):
        inputs = embed.inputs[first : first + INPUTS_AT_ONCE]
        body = {"model": model, "input": list(inputs), "encoding_format": "float"}
        said = await fetched(server, "embeddings", seconds=SECONDS, json=body)
        vectors = _vectors(said, len(inputs))
        found += [Embedding(first + place, vector) for place, vector in enumerate(vectors)]
        usage = usage_of(said.get("usage"))
        num_tokens += usage.prompt_tokens if usage else 0
    return found, num_tokens


def _vectors(said: Any, count: int) -> list[bytes]:
    data = said.get("data") if isinstance(said, dict) else None
    if not isinstance(data, list) or len(data) != count:
        raise _nonsense()
    told = {one.get("index", place): one for place, one in enumerate(data) if isinstance(one, dict)}
    if set(told) != set(range(count)):
        raise _nonsense()
    return [_vector(told[place].get("embedding")) for place in range(count)]


def _vector(told: object) -> bytes:
    """Of length 1."""
    is_list = isinstance(told, list) and 0 < len(told) <= MAX_LENGTH
    if not is_list or not all(type(one) in (int, float) and math.isfinite(one) for one in told):  # type: ignore[attr-defined]
        raise _nonsense()
    values = [float(one) for one in told]  # type: ignore[attr-defined]
    length = math.hypot(*values)
    vector = array("f", [one / length if length else one for one in values])
    return vector.tobytes()


def _nonsense() -> RemoteRefused:
    return RemoteRefused("The server's embeddings make no sense. Choose another model for them.")
