"""Which tokens a prompt has in common with what is in the KV cache, and may know of.

A chat sends its whole history with each turn, and a team sends the same system prompt all day: most
of a prompt was often computed before. Two users' prompts meet only in what neither has written, the
public beginning: how soon an answer begins would tell others what somebody has written.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

# Fewer tokens than these are computed sooner than looked after.
FEWEST = 8


class Holder(Protocol):
    """Who holds tokens in the KV cache: a running sequence, or the resident that an ended one left.

    The first `num_computed_tokens` of `tokens` are there. The first `num_public_tokens` were not
    written by `user`.
    """

    slot: int
    tokens: array[int]
    user: str
    num_public_tokens: int

    @property
    def num_computed_tokens(self) -> int: ...


@dataclass(frozen=True)
class Match:
    """The first `length` tokens of a prompt are in the holder's slot too; at least one is not
    counted, as computing the last token is what gives the next one."""

    holder: Holder
    length: int

    @property
    def is_most(self) -> bool:
        """Little of the holder would be lost if the prompt went on in its slot."""
        return 2 * self.length >= self.holder.num_computed_tokens


def best_match(prompt: Holder, holders: Iterable[Holder]) -> Match | None:
    """The longest common beginning; of equals, the first."""
    matches = [Match(holder, _found_length(prompt, holder)) for holder in holders]
    best = max(matches, key=lambda match: match.length, default=None)
    return best if best is not None and best.length >= FEWEST else None


def shared_length(prompt: Holder, holder: Holder) -> int:
    """Tokens that both begin with and that may be shared, computed or not."""
    length = min(common_length(prompt.tokens, holder.tokens), len(prompt.tokens) - 1)
    if prompt.user == holder.user:
        return length
    return min(length, prompt.num_public_tokens, holder.num_public_tokens)


def _found_length(prompt: Holder, holder: Holder) -> int:
    return min(shared_length(prompt, holder), holder.num_computed_tokens)


def common_length(one: array[int], other: array[int]) -> int:
    """How many first tokens are equal. Compares slices, halving: no Python loop over tokens."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
