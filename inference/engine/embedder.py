"""Embeddings: which tokens of which inputs are computed next, and one vector made of each input.

Inputs are taken in the order of their arrival, as many together as a batch holds. A long one is
computed in parts, unless the model reads in both directions. Vectors have the length 1, so that their
product tells how alike two texts are. Owned by the engine's thread.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Collection
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from inference.backends.base import BatchEntry, DecodeResult, EmbeddingModel, TokenVectors
from inference.engine.sequence import Sequence
from inference.types import Pooling

Vector = npt.NDArray[np.float32]


@dataclass(eq=False)
class Input:
    """One text of a request, whose texts are finished in their order. `vector`: of what is computed of
    it, as far as its pooling wants it."""

    sequence: Sequence
    index: int
    tokens: array[int]
    pooling: Pooling
    is_last: bool
    slot: int = -1
    num_computed_tokens: int = 0
    vector: Vector = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def num_remaining(self) -> int:
        return len(self.tokens) - self.num_computed_tokens

    def take(self, vectors: TokenVectors) -> None:
        """Of its next tokens."""
        is_first = self.num_computed_tokens == 0
        self.num_computed_tokens += len(vectors)
        if self.pooling == "mean":
            total = vectors.sum(axis=0, dtype=np.float64).astype(np.float32)
            self.vector = total if is_first else self.vector + total
        elif self.pooling == "last" or is_first:
            self.vector = vectors[-1 if self.pooling == "last" else 0].copy()

    def normalised(self) -> bytes:
        """A vector of zeros has no direction, and stays one."""
        length = float(np.linalg.norm(self.vector.astype(np.float64)))
        scaled = self.vector / length if length > 0 else self.vector
        return scaled.astype("<f4").tobytes()


class Embedder:
    """`make_model` is called when the first request comes; it may raise InferenceError."""

    def __init__(self, make_model: Callable[[], EmbeddingModel]) -> None:
        self._make_model = make_model
        self._model: EmbeddingModel | None = None
        self._inputs: deque[Input] = deque()
        self._free: list[int] = []
        self._batch: list[tuple[Input, int]] = []

    @property
    def model(self) -> EmbeddingModel:
        """Raises InferenceError where there is no memory for it."""
        if self._model is None:
            self._model = self._make_model()
            self._free = list(range(self._model.num_slots))
        return self._model

    def add(
        self, sequence: Sequence, inputs: Collection[array[int]], pooling: Pooling | None
    ) -> None:
        """Raises InferenceError, as `model` does."""
        pooling = pooling or self.model.pooling
        for index, tokens in enumerate(inputs):
            is_last = index == len(inputs) - 1
            self._inputs.append(Input(sequence, index, tokens, pooling, is_last))

    def remove(self, sequence: Sequence) -> None:
        """Forget all its inputs; idempotent."""
        for one in [one for one in self._inputs if one.sequence is sequence]:
            self._leave(one)

    def begin(self, *, most: int) -> frozenset[str]:
        """Choose the next batch, of `most` tokens if one input is not more. Returns whose it is."""
        is_idle = not self._inputs
        self._batch = [] if is_idle else self._chosen(min(most, self.model.token_budget))
        return frozenset(one.sequence.sequence_id for one, _ in self._batch)

    def decode(self) -> DecodeResult:
        """Compute the batch that was begun. What was not computed is begun again."""
        entries = [_entry(one, count) for one, count in self._batch]
        result = self.model.decode(entries)
        if result is not DecodeResult.DONE:
            for one, _ in self._batch:
                self._start_anew(one)
        return result

    def finished(self) -> list[Input]:
        """Take what the last batch has computed: those inputs that are whole now."""
        vectors, start = self.model.vectors(), 0
        finished = []
        for one, count in self._batch:
            one.take(vectors[start : start + count])
            start += count
            if one.num_remaining == 0:
                self._leave(one)
                finished.append(one)
        return finished

    def _chosen(self, room: int) -> list[tuple[Input, int]]:
        """Inputs, and how many tokens of each."""
        chosen: list[tuple[Input, int]] = []
        for one in self._inputs:
            count = one.num_remaining if self.model.needs_whole else min(one.num_remaining, room)
            if chosen and count > room:
                break
            if count <= 0 or not self._has_slot(one):
                break
            chosen.append((one, count))
            room -= count
        return chosen

    def _has_slot(self, one: Input) -> bool:
        if one.slot < 0 and self._free:
            one.slot = self._free.pop()
        return one.slot >= 0

    def _leave(self, one: Input) -> None:
        self._inputs.remove(one)
        self._start_anew(one)

    def _start_anew(self, one: Input) -> None:
        if one.slot >= 0:
            self.model.forget(one.slot)
            self._free.append(one.slot)
        one.slot, one.num_computed_tokens = -1, 0


def _entry(one: Input, count: int) -> BatchEntry:
    start = one.num_computed_tokens
    return BatchEntry(one.slot, start, one.tokens[start : start + count], samples=count)
