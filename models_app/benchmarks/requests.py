"""One request to the inference service, to its end: what it cost, by the service's own clock."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass

import msgspec

from inference.client import InferenceClient
from inference.errors import InferenceError, ServiceUnavailable, error_from
from inference.types import (
    TERMINAL,
    ChatMessage,
    EmbeddingRequest,
    Failed,
    Finished,
    GenerationRequest,
    ModelSpec,
    Request,
    SamplingParams,
)

PREFIX = "benchmark-"


@dataclass(frozen=True)
class Asking:
    """Asks one model. A model that makes embeddings only reads."""

    client: InferenceClient
    spec: ModelSpec
    sampling: SamplingParams
    generates: bool = True

    async def read(self, text: str) -> Finished:
        """With one token after it, which is when a prompt has been computed. Raises InferenceError."""
        return await self._ended(self._request(text, max_tokens=1))

    async def answer(self, text: str, *, max_tokens: int) -> Finished:
        """Raises InferenceError."""
        return await self._ended(self._request(text, max_tokens=max_tokens))

    def _request(self, text: str, *, max_tokens: int) -> Request:
        name = f"{PREFIX}{uuid.uuid4().hex}"
        if not self.generates:
            return EmbeddingRequest(generation_id=name, model=self.spec, inputs=(text,), user=name)
        sampling = msgspec.structs.replace(self.sampling, max_tokens=max_tokens, seed=1)
        message = ChatMessage("user", text)
        return GenerationRequest(
            generation_id=name, model=self.spec, messages=(message,), sampling=sampling, user=name
        )

    async def _ended(self, request: Request) -> Finished:
        name = request.generation_id
        try:
            await self.client.generate(request)
            async for logged in self.client.attach(name):
                if isinstance(logged.event, TERMINAL):
                    return _finished(logged.event)
        finally:
            # Also when nobody waits for it any more: it would go on for nothing.
            with contextlib.suppress(InferenceError):
                await self.client.stop(name)
                await self.client.forget(name)
        raise ServiceUnavailable("The inference service ended in the middle of it. Try again.")


def _finished(event: Finished | Failed) -> Finished:
    if isinstance(event, Failed):
        raise error_from(event.error)
    return event
