"""POST /v1/embeddings."""

from __future__ import annotations

import base64
from typing import Any, Literal

import msgspec
import numpy as np
from django.http import HttpRequest, HttpResponse

from accounts.key_models import Scope
from api import bodies
from api.callers import Caller
from api.chat_rendering import timings, usage
from api.errors import ApiError, invalid, of_inference, unsupported
from api.running import Run
from api.serving import as_json
from api.targets import new_id, target_of
from inference.limits import check_request
from inference.types import Embedding, EmbeddingRequest, Failed, Finished, FinishReason, Pooling


class EmbeddingsRequest(msgspec.Struct, kw_only=True):
    input: str | list[Any]
    model: str = ""
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    pooling: Pooling | None = None
    backend: str | None = None


async def embeddings(request: HttpRequest, caller: Caller) -> HttpResponse:
    asked = bodies.read(request, EmbeddingsRequest)
    target = await target_of(request, caller, asked.model, backend=asked.backend, scope=Scope.EMBED)
    wanted = EmbeddingRequest(
        generation_id=new_id("embd-"),
        model=target.entry.spec,
        inputs=_inputs(asked.input),
        pooling=asked.pooling,
        user=target.user,
        request_id=target.admission.request_id,
    )
    check_request(wanted)
    run = Run(wanted, target.admission)
    try:
        await run.start()
        vectors, end = await _vectors(run)
    finally:
        run.close()
    _check_dimensions(asked.dimensions, vectors)
    return as_json(_body(asked, target.name, vectors, end))


async def _vectors(run: Run) -> tuple[list[bytes], Finished]:
    """In the order of the inputs. Raises ApiError."""
    found: dict[int, bytes] = {}
    async for event in run.events():
        match event:
            case Embedding(index=index, vector=vector):
                found[index] = vector
            case Failed(error=error):
                raise of_inference(error)
            case Finished(reason=FinishReason.CANCELLED):
                raise ApiError(499, "This was stopped.", code="cancelled")
            case Finished():
                return [found[index] for index in sorted(found)], event
    raise ApiError(500, "The embeddings broke off. Try again.", code="internal")


def _body(
    asked: EmbeddingsRequest, model: str, vectors: list[bytes], end: Finished
) -> dict[str, Any]:
    used = usage(end.usage)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, asked)}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        "usage": {name: used[name] for name in ("prompt_tokens", "total_tokens")},
        "timings": timings(end.timings, end.usage),
    }


def _encoded(vector: bytes, asked: EmbeddingsRequest) -> str | list[float]:
    if asked.encoding_format == "base64":
        return base64.b64encode(vector).decode("ascii")
    floats: list[float] = np.frombuffer(vector, dtype="<f4").tolist()
    return floats


def _inputs(given: str | list[Any]) -> tuple[str, ...]:
    texts = [given] if isinstance(given, str) else given
    if not all(isinstance(text, str) for text in texts):
        raise unsupported(
            "Send texts: tokens of another model's tokenizer mean nothing to this one.", "input"
        )
    return tuple(texts)


def _check_dimensions(wanted: int | None, vectors: list[bytes]) -> None:
    size = len(vectors[0]) // 4
    if wanted not in (None, size):
        raise invalid(f"This model's vectors have {size} dimensions, and no others.", "dimensions")
