"""Ended sequences outside of the KV cache: copies that no decode has to look at.

Attention looks at every cell up to the last one in use, also at those of ended sequences, and cells
are few. A copy waits in ordinary memory until a prompt begins as it does; putting it back takes a
small part of the time of computing it again.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from inference.backends.base import SavedState
from inference.engine.residents import Kept

# A waiting prompt is compared with each of them in every step.
MOST_SHELVED = 64


@dataclass(eq=False)
class Shelved:
    """A `prefix.Holder` without a slot."""

    tokens: array[int]
    user: str
    num_public_tokens: int
    state: SavedState
    slot: int = -1

    @property
    def num_computed_tokens(self) -> int:
        return len(self.tokens)


class Shelf(Kept[Shelved]):
    """`capacity` in bytes. What does not fit pushes out what was used longest ago."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity

    @property
    def num_bytes(self) -> int:
        return sum(one.state.num_bytes for one in self)

    def keep(self, one: Shelved) -> None:
        super().keep(one)
        while len(self) > MOST_SHELVED or self.num_bytes > self.capacity:
            oldest = self.oldest()
            assert oldest is not None
            self.take(oldest)
