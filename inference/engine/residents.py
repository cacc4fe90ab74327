"""What ended sequences left in the KV cache, for prompts that begin as they did.

A chat sends its whole history with each turn, and most of it was computed in the turn before. So an
ended sequence stays in its slot until the slot or its cells are needed; the one that was used
longest ago goes first. Only the same user's prompts find it: how fast an answer begins would tell
others what somebody has written. Pure bookkeeping, owned by the scheduler.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

# Fewer tokens than these are computed sooner than looked after.
FEWEST = 8


@dataclass(frozen=True, eq=False)
class Resident:
    """`tokens`: all that the KV cache holds under `slot`."""

    slot: int
    tokens: array[int]
    user: str


@dataclass(frozen=True)
class Match:
    """The first `length` tokens of a prompt are the resident's too; at least one is not counted,
    as computing the last token is what gives the next one."""

    resident: Resident
    length: int

    @property
    def is_most(self) -> bool:
        """Little of the resident would be lost if the prompt went on in its slot."""
        return 2 * self.length >= len(self.resident.tokens)


class Residents:
    def __init__(self) -> None:
        self._kept: list[Resident] = []  # in order of last use

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def slots(self) -> list[int]:
        return [resident.slot for resident in self._kept]

    @property
    def num_tokens(self) -> int:
        """Cells they take at most: those that several share are counted for each."""
        return sum(len(resident.tokens) for resident in self._kept)

    def keep(self, resident: Resident) -> None:
        self._kept.append(resident)

    def use(self, resident: Resident) -> None:
        self._kept.remove(resident)
        self._kept.append(resident)

    def take(self, resident: Resident) -> None:
        self._kept.remove(resident)

    def oldest(self, *, but: Resident | None = None) -> Resident | None:
        return next((resident for resident in self._kept if resident is not but), None)

    def best_match(self, prompt: array[int], *, user: str) -> Match | None:
        """The longest common beginning; of equals, the one used last."""
        beginning = prompt[:-1]
        matches = [
            Match(resident, length)
            for resident in reversed(self._kept)
            if resident.user == user
            and (length := common_length(resident.tokens, beginning)) >= FEWEST
        ]
        return max(matches, key=lambda match: match.length, default=None)


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
