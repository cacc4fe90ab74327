"""The numbers that make one Llama differ from another."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    vocabulary_size: int = 1536
    width: int = 256
    layers: int = 4
    heads: int = 8
    kv_heads: int = 4
    inner: int = 704
    context_length: int = 2048
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5

    @property
    def head_size(self) -> int:
        return self.width // self.heads
