"""What ended sequences left in the KV cache, for prompts that begin as they did.

An ended sequence stays in its slot until the slot or its cells are needed; the one that was used
longest ago goes first. Pure bookkeeping, owned by `Slots`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass


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


class Residents:
    def __init__(self) -> None:
        self._kept: list[Resident] = []  # in order of last use

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Resident]:
        """The one used last comes first."""
        return reversed(self._kept)

    def keep(self, resident: Resident) -> None:
        self._kept.append(resident)

    def use(self, resident: Resident) -> None:
        self._kept.remove(resident)
        self._kept.append(resident)

    def take(self, resident: Resident) -> None:
        self._kept.remove(resident)

    def oldest(self, *, but: object = None) -> Resident | None:
        return next((resident for resident in self._kept if resident is not but), None)
