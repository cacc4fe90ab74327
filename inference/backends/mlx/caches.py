"""Keys and values of sequences, apart by slot or side by side in one batch.

A sequence that is computed alone has mlx-lm's own cache for each layer. Those that stream together are
one batch, padded on the left, from which one is taken out again when it ends or goes on alone. Layers
whose cache can't be put side by side are computed one sequence after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import BatchKVCache, KVCache

# One for each layer.
Layers = list[Any]


class SlotCaches:
    """`make`: caches of an empty sequence."""

    def __init__(self, make: Callable[[], Layers]) -> None:
        self._make = make
        self._apart: dict[int, Layers] = {}
        self._lengths: dict[int, int] = {}
        self._together: list[int] = []
        self._batch: Layers = []
        self.can_batch = self.can_cut = all(type(one) is KVCache for one in make())

    def length(self, slot: int) -> int:
        return self._lengths.get(slot, 0)

    def extended(self, slot: int, num_tokens: int) -> None:
        """So many more were computed."""
        self._lengths[slot] = self.length(slot) + num_tokens

    def alone(self, slot: int) -> Layers:
        """Of one sequence, to compute with."""
        self._take_out(slot)
        if slot not in self._apart:
            self._apart[slot] = self._make()
        return self._apart[slot]

    def together(self, slots: Sequence[int]) -> Layers:
        """Of several sequences in this order, to compute with."""
        if list(slots) != self._together:
            for slot in [one for one in self._together if one not in slots]:
                self._take_out(slot)
            for slot in slots:
                if slot not in self._together:
                    self._put_in(slot)
            self._sort(slots)
        return self._batch

    def forget(self, slot: int, position: int) -> bool:
        """True: it holds its first `position` tokens, and no more."""
        length = self.length(slot)
        if position == 0:
            self._take_out(slot)
            self._apart.pop(slot, None)
            self._lengths.pop(slot, None)
        elif position < length and self.can_cut:
            for layer in self.alone(slot):
                layer.trim(length - position)
            self._lengths[slot] = position
        return self.length(slot) == position

    def set(self, slot: int, layers: Layers, length: int) -> None:
        self._apart[slot] = layers
        self._lengths[slot] = length

    def _take_out(self, slot: int) -> None:
        """Of the batch, if it is in it."""
        if slot not in self._together:
            return
        index = self._together.index(slot)
        self._apart[slot] = taken = [layer.extract(index) for layer in self._batch]
        evaluate(taken)  # else they keep the whole batch in memory
        self._together.remove(slot)
        self._keep([one for one in range(len(self._together) + 1) if one != index])

    def _put_in(self, slot: int) -> None:
        layers = self._apart.pop(slot)
        joining = [BatchKVCache.merge([layer]) for layer in layers]
        if self._together:
            for layer, other in zip(self._batch, joining, strict=True):
                layer.extend(other)
        else:
            self._batch = joining
        self._together.append(slot)

    def _sort(self, slots: Sequence[int]) -> None:
        order = [self._together.index(slot) for slot in slots]
        if order != sorted(order):
            self._keep(order)
        self._together = list(slots)

    def _keep(self, indices: list[int]) -> None:
        if not indices:
            self._batch = []
            return
        for layer in self._batch:
            layer.filter(mx.array(indices))


def first_of(layers: Layers, length: int, *, copies: bool = False) -> Layers:
    """The first `length` tokens as caches of their own. Without a copy they keep the whole in memory until
    they grow."""
    return [_first_of(layer, length, copies=copies) for layer in layers]


def evaluate(layers: Layers) -> None:
    """Compute what is in them now."""
    mx.eval([layer.state for layer in layers])


def num_bytes(layers: Layers) -> int:
    return sum(int(layer.nbytes) for layer in layers)


def _first_of(layer: Any, length: int, *, copies: bool) -> Any:
    found = KVCache()
    kept = [part[..., :length, :] for part in (layer.keys, layer.values)]
    found.keys, found.values = [mx.contiguous(part) for part in kept] if copies else kept
    found.offset = length
    return found
