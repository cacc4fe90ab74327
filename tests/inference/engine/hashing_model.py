"""A scripted model whose next token depends on every token in the slot's cache, and nothing else.

So a token that is lost, doubled or another sequence's changes the text. It answers CACHE_FULL as a
real cache does, and leaves half of an interrupted batch behind.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence

from inference.backends.base import BatchEntry, DecodeResult
from inference.engine.sequence import Sequence as Generated
from tests.inference.engine.scripted_model import ScriptedModel

LETTERS = b"abcdefghijklmnopqrstuvwxyz"


class HashingModel(ScriptedModel):
    def decode(self, batch: Sequence[BatchEntry]) -> DecodeResult:
        self.batches.append(list(batch))
        outcome = self.before_decode() or self._outcome(batch)
        done = batch if outcome is DecodeResult.DONE else batch[: (len(batch) + 1) // 2]
        for entry in done:
            self.hold(entry)
        return outcome

    def sample(self, index: int, sampler: object, *, place: int = 0) -> int:
        return self.next_token(self.read(index, place))

    def next_token(self, tokens: list[int]) -> int:
        return LETTERS[zlib.crc32(array("i", tokens).tobytes()) % len(LETTERS)]

    def completion(self, prompt: str, num_tokens: int) -> str:
        """What it says after `prompt`, told without an engine."""
        tokens = list(self.tokenize(prompt))
        for _ in range(num_tokens):
            tokens.append(self.next_token(tokens))
        return bytes(tokens[-num_tokens:]).decode()

    def _outcome(self, batch: Sequence[BatchEntry]) -> DecodeResult:
        if self.interrupted:
            return DecodeResult.INTERRUPTED
        needed = self.num_cached_tokens + sum(len(entry.tokens) for entry in batch)
        return DecodeResult.DONE if needed <= self.num_cells else DecodeResult.CACHE_FULL


class Guesses:
    """A drafter that knows what the model will say, and is wrong at each token whose place in the
    sequence has this remainder."""

    def __init__(self, model: HashingModel, *, wrong: int = 5) -> None:
        self._model = model
        self._wrong = wrong
        self.num_drafted = 0

    def draft(self, sequences: Sequence[tuple[Generated, int]]) -> list[array[int]]:
        return [self._of(list(one.tokens), most) for one, most in sequences]

    def forget(self, sequence: Generated) -> None:
        pass

    def _of(self, tokens: list[int], most: int) -> array[int]:
        start = len(tokens)
        for _ in range(most):
            right = self._model.next_token(tokens)
            tokens.append(right + 1 if len(tokens) % 7 == self._wrong else right)
        self.num_drafted += most
        return array("i", tokens[start:])
