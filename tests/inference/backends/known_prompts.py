"""Prompts for a real model of random weights, each with the text that it has alone.

Batches of another size round otherwise, by up to 0.05 in a logit. So only prompts are used whose best
token leads by several times as much all along: their text must be the same in any company.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.backends.base import BatchEntry
from inference.backends.llama.model import LlamaModel

CLEAR_LEAD = 0.3
SYSTEM = "You are an owl and you know the night, the mice and the moon. Be brief and be kind. "
WORDS = "owls and mice under the moon, why? "


@dataclass(frozen=True)
class Known:
    """`text`: what follows, `num_tokens` long."""

    tokens: array[int]
    text: str
    num_public: int


class KnownPrompts:
    """Short and long ones, with a system prompt and without, and some that go on with another.
    `lengths`: of what is asked, in tokens."""

    def __init__(
        self, model: LlamaModel, *, num_tokens: int, lengths: Sequence[int], longest: int, seed: int
    ) -> None:
        self._model = model
        self._num_tokens = num_tokens
        self._lengths = lengths
        self._longest = longest
        self._random = random.Random(seed)
        self._found: list[Known] = []

    def find(self, count: int) -> list[Known]:
        """Leaves the model's cache empty."""
        while len(self._found) < count:
            prompt, num_public = self._drawn()
            text = self._alone(prompt) if len(prompt) <= self._longest else None
            if text is not None:
                self._found.append(Known(prompt, text, num_public))
        self._model.forget(0)
        return self._found

    def _drawn(self) -> tuple[array[int], int]:
        asked = self._random.choices(WORDS.encode(), k=self._random.choice(self._lengths))
        if self._found and self._random.random() < 0.3:
            before = self._random.choice(self._found)
            return array("i", [*before.tokens, *before.text.encode(), *asked]), before.num_public
        system = SYSTEM.encode() if self._random.random() < 0.6 else b""
        return array("i", [*system, *asked]), len(system)

    def _alone(self, prompt: array[int]) -> str | None:
        """What follows greedily; None if some token did not lead clearly."""
        model, tokens, position, text = self._model, prompt, 0, b""
        model.forget(0)
        for _ in range(self._num_tokens):
            for start in range(0, len(tokens), model.token_budget):
                chunk = tokens[start : start + model.token_budget]
                model.decode([BatchEntry(0, position, chunk, start + len(chunk) == len(tokens))])
                position += len(chunk)
            token = self._clear_token()
            if token is None:
                return None
            tokens = array("i", [token])
            text += model.piece(token)
        return text.decode()

    def _clear_token(self) -> int | None:
        logits = self._model.logits(0)
        assert logits is not None
        second, first = np.partition(logits, -2)[-2:]
        return int(logits.argmax()) if first - second >= CLEAR_LEAD else None
