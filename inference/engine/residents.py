"""What ended sequences left in the KV cache, for prompts that begin as they did.

An ended sequence stays in its slot until the slot or its cells are needed; the one that was used
longest ago goes first. Pure bookkeeping, owned by `Slots`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")


class Kept(Generic[K]):
    """In order of last use."""

    def __init__(self) -> None:
        self._kept: list[K] = []

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[K]:
        """The one used last comes first."""
        return reversed(self._kept)

    def keep(self, one: K) -> None:
        self._kept.append(one)

    def use(self, one: K) -> None:
        self._kept.remove(one)
        self._kept.append(one)

    def take(self, one: K) -> None:
        self._kept.remove(one)

    def oldest(self, *, but: object = None) -> K | None:
        return next((one for one in self._kept if one is not but), None)


@dataclass(eq=False)
class Resident:
    """A `prefix.Holder`. `tokens`: all that the KV cache holds under `slot`."""

    slot: int
    tokens: array[int]
    user: str
    num_public_tokens: int

    @property
    def num_computed_tokens(self) -> int:
        return len(self.tokens)


class Residents(Kept[Resident]):
    pass
