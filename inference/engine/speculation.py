"""Tokens that are guessed, and computed together with the one before them, where that pays.

A draft costs the computation of its tokens and saves a step for each of them that the sampler chooses
anyway. The sampler chooses as it would without: the text is the same, but for the rounding of larger
batches. Whether it pays is measured: how often drafts are right in this sequence, and how much longer
a step with so many tokens takes on this machine. Where it does not, it is left alone for a while, each
time for longer; and trying altogether may lose a hundredth of the time. Pure bookkeeping: no model, no
clock.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence as Collection
from dataclasses import dataclass, replace
from typing import Protocol

from inference.engine.scheduler import Chunk
from inference.engine.sequence import Sequence

LENGTHS = (3, 7, 15)
# What is believed of a sequence before it was tried: one draft that fails at once is enough to stop.
PRIOR_TRIED, PRIOR_RIGHT = 4.4, 4.0
MOST_TRIED = 64.0
MOST_SURE = 0.98
# Tokens without drafts after they did not pay; so many times longer the next time.
FIRST_PAUSE, LONGEST_PAUSE, LONGER = 16, 1024, 4
# How much faster it has to be, and how much longer a step may take that others wait for.
WORTH = 1.05
LONGEST_IN_COMPANY = 1.5
NEWEST = 0.2
# So often a step goes without drafts, so that it is known what they save.
PLAIN_STEP = 32
# Seconds that trying may lose: at first, for each second of steps, and of those that drafts have saved.
FIRST_CREDIT, CREDIT_PER_SECOND, MOST_CREDIT = 0.1, 0.01, 0.5


class Drafter(Protocol):
    def draft(self, sequences: Collection[tuple[Sequence, int]]) -> list[array[int]]:
        """What may follow each of these, so many tokens at most; empty where nothing is known."""
        ...

    def forget(self, sequence: Sequence) -> None:
        """It has left."""
        ...


@dataclass
class Record:
    """How drafts fared in one sequence: tokens that were looked at, and those that were right."""

    tried: float = PRIOR_TRIED
    right: float = PRIOR_RIGHT
    resumes_at: int = 0
    pause: int = FIRST_PAUSE

    @property
    def is_new(self) -> bool:
        """Nothing is known of the sequence as it now is."""
        return self.tried == PRIOR_TRIED

    def expected(self, length: int) -> float:
        """Tokens that are right of a draft of this length, which ends at the first that is wrong."""
        sure = min(self.right / self.tried, MOST_SURE)
        return sure * (1 - sure**length) / (1 - sure)

    def note(self, *, num_right: int, length: int) -> None:
        self.tried += num_right + (num_right < length)
        self.right += num_right
        if self.tried > MOST_TRIED:
            self.tried, self.right = self.tried / 2, self.right / 2
        if num_right == length:
            self.pause = FIRST_PAUSE

    def stop(self, num_tokens: int) -> None:
        """It does not pay now, after so many tokens of the completion."""
        self.tried, self.right = PRIOR_TRIED, PRIOR_RIGHT
        self.resumes_at = num_tokens + self.pause
        self.pause = min(self.pause * LONGER, LONGEST_PAUSE)


class StepCosts:
    """Seconds of a step by the number of its tokens, in streams only; with drafts or without."""

    def __init__(self, decode_seconds: float) -> None:
        self._plain = {1: max(decode_seconds, 1e-6)}
        self._drafted: dict[int, float] = {}

    def record(self, num_tokens: int, seconds: float, *, is_drafted: bool) -> None:
        known = self._drafted if is_drafted else self._plain
        before = known.get(num_tokens, seconds)
        known[num_tokens] = max(before + NEWEST * (seconds - before), 1e-6)

    def knows_plain(self, num_tokens: int) -> bool:
        return num_tokens in self._plain

    def plain(self, num_tokens: int) -> float:
        return _between(self._plain, num_tokens)

    def drafted(self, num_tokens: int) -> float:
        """One that was never measured is taken to cost no more than the next smaller: so it is."""
        return _between(self._plain | self._drafted, num_tokens)


class Speculation:
    """`num_outputs`: tokens of a step that something may be sampled after."""

    def __init__(
        self, drafter: Drafter, *, decode_seconds: float, num_outputs: int, context_window: int
    ) -> None:
        self._drafter = drafter
        self._costs = StepCosts(decode_seconds)
        self._num_outputs = num_outputs
        self._context_window = context_window
        self._records: dict[str, Record] = {}
        self._credit = FIRST_CREDIT
        self._seconds_a_token = 0.0
        self._num_drafted_steps = 0

    def with_drafts(self, chunks: list[Chunk], *, num_free: int) -> list[Chunk]:
        """The same step with drafts where they pay. `num_free`: cells that they may take."""
        if self._is_plain_due(len(chunks)):
            self._num_drafted_steps += 1
            return chunks
        lengths = self._lengths(chunks, min(num_free, self._num_outputs - len(chunks)))
        if not lengths:
            return chunks
        wanted = [(chunk.sequence, lengths.get(at, 0)) for at, chunk in enumerate(chunks)]
        drafts = iter(self._drafter.draft([one for one in wanted if one[1]]))
        return [
            replace(chunk, draft=next(drafts)) if length else chunk
            for chunk, (_, length) in zip(chunks, wanted, strict=True)
        ]

    def record(self, chunks: list[Chunk], seconds: float) -> None:
        """A step of streams only was drafted and computed."""
        num_drafted = sum(len(chunk.draft) for chunk in chunks)
        self._costs.record(len(chunks) + num_drafted, seconds, is_drafted=num_drafted > 0)
        self._num_drafted_steps += num_drafted > 0
        plain = self._costs.plain(len(chunks))
        self._seconds_a_token = plain / len(chunks)
        self._earn(CREDIT_PER_SECOND * seconds - (seconds - plain if num_drafted else 0.0))

    def note(self, chunk: Chunk, *, num_right: int) -> None:
        if chunk.draft:
            record = self._record_of(chunk.sequence)
            record.note(num_right=num_right, length=len(chunk.draft))
            self._earn(num_right * self._seconds_a_token)

    def forget(self, sequence: Sequence) -> None:
        self._records.pop(sequence.sequence_id, None)
        self._drafter.forget(sequence)

    def _is_plain_due(self, num_streams: int) -> bool:
        is_due = self._num_drafted_steps % PLAIN_STEP == PLAIN_STEP - 1
        return is_due or not self._costs.knows_plain(num_streams)

    def _lengths(self, chunks: list[Chunk], most: int) -> dict[int, int]:
        """By the number of the chunk. Each is chosen for what it adds to those before it."""
        lengths: dict[int, int] = {}
        num_tokens, gain = len(chunks), 0.0
        for at, chunk in enumerate(chunks):
            record = self._record_of(chunk.sequence)
            if not self._may_draft(chunk.sequence, record):
                continue
            room = min(most - (num_tokens - len(chunks)), self._room(chunk.sequence))
            length = self._best(record, num_tokens, len(chunks) + gain, room, len(chunks))
            if length:
                lengths[at] = length
                num_tokens, gain = num_tokens + length, gain + record.expected(length)
            elif room >= LENGTHS[0]:
                record.stop(chunk.sequence.completion_tokens)
        return lengths

    def _may_draft(self, sequence: Sequence, record: Record) -> bool:
        is_paused = sequence.completion_tokens < record.resumes_at
        return not is_paused and (self._credit > 0 or not record.is_new)

    def _earn(self, seconds: float) -> None:
        self._credit = min(self._credit + seconds, MOST_CREDIT)

    def _best(
        self, record: Record, num_tokens: int, num_sampled: float, room: int, num_streams: int
    ) -> int:
        """The length that makes tokens come fastest; 0: none is worth it."""
        longest = self._costs.plain(num_streams) * LONGEST_IN_COMPANY
        seconds = self._costs.plain if num_sampled == num_tokens else self._costs.drafted
        best, fastest = 0, WORTH * num_sampled / seconds(num_tokens)
        for length in LENGTHS:
            drafted = self._costs.drafted(num_tokens + length)
            speed = (num_sampled + record.expected(length)) / drafted
            is_bearable = num_streams == 1 or drafted <= longest
            if length <= room and is_bearable and speed > fastest:
                best, fastest = length, speed
        return best

    def _room(self, sequence: Sequence) -> int:
        """Tokens that may be sampled after the next one."""
        room = self._context_window - sequence.num_tokens - 1
        most = sequence.sampling.max_tokens
        return room if most is None else min(room, most - sequence.completion_tokens - 1)

    def _record_of(self, sequence: Sequence) -> Record:
        return self._records.setdefault(sequence.sequence_id, Record())


def _between(known: dict[int, float], number: int) -> float:
    """What is known of this number, or lies between the next ones; beyond them, as the nearest."""
    if number in known:
        return known[number]
    numbers = sorted(known)
    above = bisect_left(numbers, number)
    if above == len(numbers) or above == 0:
        return known[numbers[min(above, len(numbers) - 1)]]
    low, high = numbers[above - 1], numbers[above]
    part = (number - low) / (high - low)
    return known[low] + part * (known[high] - known[low])
