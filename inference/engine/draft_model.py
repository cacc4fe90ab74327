"""Drafts from a small model with the same vocabulary: its likeliest tokens.

It has a KV cache of its own, where each sequence keeps a slot. A prompt is caught up with in parts,
beside the steps of the model that the drafts are for; until then there are none.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence as Collection
from dataclasses import dataclass, field

from inference.backends.base import BatchEntry, DecodeResult, LoadedModel
from inference.engine.prefix import common_length
from inference.engine.sequence import Sequence
from inference.types import SamplingParams

# Tokens of prompts a step; streams wait for them.
MOST_TO_CATCH_UP = 64


@dataclass
class Held:
    """What the draft model's cache has of a sequence, and of what was guessed to follow it."""

    slot: int
    tokens: array[int] = field(default_factory=lambda: array("i"))


class DraftModel:
    """A `Drafter`; owned by the engine's thread."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._sampler = model.make_sampler(SamplingParams(temperature=0.0))
        self._held: dict[str, Held] = {}
        self._free = list(range(model.num_slots - 1, -1, -1))

    def draft(self, sequences: Collection[tuple[Sequence, int]]) -> list[array[int]]:
        drafts = [array("i") for _ in sequences]
        batch = self._missing([one for one, _ in sequences])
        while batch:
            if self._model.decode([entry for _, _, entry in batch]) is not DecodeResult.DONE:
                self._forget_all()
                return [array("i") for _ in sequences]
            batch = self._next(batch, drafts, [most for _, most in sequences])
        return drafts

    def forget(self, sequence: Sequence) -> None:
        held = self._held.pop(sequence.sequence_id, None)
        if held is not None:
            self._model.forget(held.slot)
            self._free.append(held.slot)

    def _missing(self, sequences: list[Sequence]) -> list[tuple[int, Held, BatchEntry]]:
        """What the cache lacks of each, as far as there is time for it."""
        batch = []
        room = MOST_TO_CATCH_UP
        for at, sequence in enumerate(sequences):
            held = self._held_of(sequence)
            if held is None:
                continue
            self._cut(held, sequence)
            start = len(held.tokens)
            tokens = sequence.tokens[start : start + max(room, 1)]
            room -= len(tokens)
            is_all = start + len(tokens) == sequence.num_tokens
            batch.append((at, held, BatchEntry(held.slot, start, tokens, samples=int(is_all))))
        return batch

    def _next(
        self,
        batch: list[tuple[int, Held, BatchEntry]],
        drafts: list[array[int]],
        most: list[int],
    ) -> list[tuple[int, Held, BatchEntry]]:
        """Take a token of each draft, and compute it where a further one is wanted."""
        following = []
        for index, (at, held, entry) in enumerate(batch):
            held.tokens.extend(entry.tokens)
            if not entry.samples:
                continue
            token = self._model.sample(index, self._sampler)
            drafts[at].append(token)
            if len(drafts[at]) < most[at] and len(held.tokens) < self._model.context_window:
                tokens = array("i", [token])
                following.append((at, held, BatchEntry(held.slot, len(held.tokens), tokens, 1)))
        return following

    def _held_of(self, sequence: Sequence) -> Held | None:
        held = self._held.get(sequence.sequence_id)
        if held is None and self._free and sequence.num_tokens < self._model.context_window:
            held = self._held[sequence.sequence_id] = Held(self._free.pop())
        return held

    def _cut(self, held: Held, sequence: Sequence) -> None:
        """Drop guesses that were wrong. The last token is computed in any case: it gives the next."""
        right = min(common_length(held.tokens, sequence.tokens), sequence.num_tokens - 1)
        if right < len(held.tokens):
            self._model.forget(held.slot, position=right)
            del held.tokens[right:]

    def _forget_all(self) -> None:
        for held in self._held.values():
            self._model.forget(held.slot)
            held.tokens = array("i")


def has_same_vocabulary(model: LoadedModel, other: LoadedModel) -> bool:
    """A token means the same text to both."""
    return model.vocabulary_size == other.vocabulary_size and all(
        model.piece(token) == other.piece(token) for token in range(model.vocabulary_size)
    )
