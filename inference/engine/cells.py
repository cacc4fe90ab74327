"""How many cells of the KV cache are taken, when slots share some of them.

What a slot computes without a cut is a run. A slot holds the beginnings of some runs, one after the
other, and several slots may hold the same run: it takes as many cells as the one that holds most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True)
class Held:
    """The first `length` tokens of a run."""

    run: int
    length: int


class Cells:
    def __init__(self) -> None:
        self._held: dict[int, list[Held]] = {}
        self._growing: set[int] = set()  # slots whose last run is theirs and whole
        self._runs = count()

    def length(self, slot: int) -> int:
        return sum(held.length for held in self._held.get(slot, ()))

    def num_taken(self, slots: Iterable[int]) -> int:
        """By these slots together."""
        longest: dict[int, int] = {}
        for slot in slots:
            for held in self._held.get(slot, ()):
                if held.length > longest.get(held.run, 0):
                    longest[held.run] = held.length
        return sum(longest.values())

    def extend(self, slot: int, num_tokens: int) -> None:
        runs = self._held.setdefault(slot, [])
        if slot in self._growing:
            runs[-1] = Held(runs[-1].run, runs[-1].length + num_tokens)
        else:
            runs.append(Held(next(self._runs), num_tokens))
            self._growing.add(slot)

    def share(self, slot: int, other: int, *, length: int) -> None:
        """`other`, which is empty, holds the first `length` tokens of `slot` too."""
        self._held[other] = _first(self._held[slot], length)
        self._growing.discard(other)

    def cut(self, slot: int, *, length: int) -> None:
        """The slot holds its first `length` tokens only."""
        if length < self.length(slot):
            self._held[slot] = _first(self._held[slot], length)
            self._growing.discard(slot)


def _first(runs: list[Held], length: int) -> list[Held]:
    kept: list[Held] = []
    for held in runs:
        if length > 0:
            kept.append(Held(held.run, min(held.length, length)))
        length -= held.length
    return kept
