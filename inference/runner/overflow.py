"""What of a conversation the model gets to read when all of it no longer fits.

The system prompt and the last turns stay. What is left out grows by blocks of turns rather than
one by one, so that the next prompts begin alike and are found in the KV cache.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from inference.types import ChatMessage

Messages = tuple[ChatMessage, ...]
# A conversation is left out by quarters of its turns, or less.
BLOCKS = 4


def without_oldest(
    messages: Sequence[ChatMessage], fits: Callable[[Messages], bool]
) -> Messages | None:
    """As many of the last turns as fit; None if not even the last one does. `fits` is asked a few
    times, of ever shorter conversations or longer ones."""
    system = tuple(message for message in messages if message.role == "system")
    spoken = tuple(message for message in messages if message.role != "system")
    shorter = [system + spoken[start:] for start in _beginnings(spoken)]
    place = bisect_left(shorter, True, key=fits)
    return shorter[place] if place < len(shorter) else None


def _beginnings(spoken: Messages) -> list[int]:
    """Where what is kept may begin: with a turn, behind a block, or with any turn of the last one."""
    turns = [place for place, message in enumerate(spoken) if message.role == "user"]
    block = 1 << max(0, (len(turns) // BLOCKS).bit_length() - 1)
    return sorted({*turns[block::block], *turns[-block:]})
