"""Requests and a clock for the tests of the service."""

from __future__ import annotations

from dataclasses import dataclass

from inference.types import ChatMessage, GenerationRequest, ModelSpec

SPEC = ModelSpec(model_id="m", name="Model", path="/models/m.gguf")


@dataclass
class FakeClock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def request_of(
    generation_id: str, spec: ModelSpec = SPEC, *, user: str = "", weight: float = 1.0
) -> GenerationRequest:
    return GenerationRequest(
        generation_id=generation_id,
        model=spec,
        messages=(ChatMessage("user", "hello"),),
        user=user,
        weight=weight,
    )
