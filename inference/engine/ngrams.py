"""Drafts from a sequence's own text: what followed when its last tokens stood there before.

Costs nothing but memory, and is right where a completion quotes: code that is edited, a text that is
summed up, a table. Source: prompt lookup decoding, https://github.com/apoorvumang/prompt-lookup-decoding
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence as Collection

from inference.engine.sequence import Sequence

# Fewer tokens follow each other by chance.
LENGTH = 4
# Streams wait for it, some milliseconds.
MOST_AT_ONCE = 8192


class NGrams:
    """Where each run of `LENGTH` tokens stood last in one sequence, and what follows its last ones."""

    def __init__(self) -> None:
        self._ends: dict[bytes, int] = {}
        self._num_seen = LENGTH

    def continuation(self, tokens: array[int], most: int) -> array[int]:
        """Of `tokens`, which are those of the last call and further ones; at most so many."""
        self._look_at(tokens)
        found = self._ends.get(tokens[-LENGTH:].tobytes())
        if self._num_seen < len(tokens) or found is None:
            return array("i")
        return _repeated(tokens[found : found + most], most)

    def _look_at(self, tokens: array[int]) -> None:
        """All but the last ones, which would find themselves."""
        last = min(len(tokens), self._num_seen + MOST_AT_ONCE)
        for end in range(self._num_seen, last):
            self._ends[tokens[end - LENGTH : end].tobytes()] = end
        self._num_seen = max(self._num_seen, last)


class NGramDrafter:
    """Of all sequences; what it knows of one is forgotten with it."""

    def __init__(self) -> None:
        self._of: dict[str, NGrams] = {}

    def draft(self, sequences: Collection[tuple[Sequence, int]]) -> list[array[int]]:
        return [
            self._of.setdefault(one.sequence_id, NGrams()).continuation(one.tokens, most)
            for one, most in sequences
        ]

    def forget(self, sequence: Sequence) -> None:
        self._of.pop(sequence.sequence_id, None)


def _repeated(tokens: array[int], length: int) -> array[int]:
    """What ends with the sequence itself goes on as it began."""
    return (tokens * (length // len(tokens) + 1))[:length]
