"""Which tokens are computed next.

A sequence has `num_tokens` and `num_computed_tokens`; each step gives it up to a number of further
computed tokens. Prefill is "many", decode is "one", and a preempted sequence is simply one with
nothing computed. Pure bookkeeping: no model, no clock, no text.

Fairness: running sequences first, one token each; then prompts in the order of their arrival,
within what is left of the token budget and never more than the pace allows in one step.

A prompt goes on from what the KV cache holds of it (`slots`, `prefix`). If its beginning is just being
computed for another one, it waits for that rather than have it computed twice.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from inference.engine.pace import PrefillPace
from inference.engine.prefix import Match, shared_length
from inference.engine.sequence import Sequence, SequenceStatus
from inference.engine.slots import KVCache, Slots

# Cells left free at admission for each sequence to grow into, lest it be preempted at once.
HEADROOM = 32
# So many tokens of a common beginning are worth waiting for.
WORTH_WAITING = 32


@dataclass(frozen=True)
class Chunk:
    """The tokens `start` to `end` of a sequence, to be computed in this step; and after them `draft`,
    tokens that are guessed to follow."""

    sequence: Sequence
    start: int
    end: int
    draft: array[int] = field(default_factory=lambda: array("i"))

    @property
    def is_prefill(self) -> bool:
        return self.end - self.start > 1 or self.end < self.sequence.num_tokens

    @property
    def completes(self) -> bool:
        """After this chunk the sequence's next token can be sampled."""
        return self.end == self.sequence.num_tokens


class Scheduler:
    """Owns the queue and the slots; `running` is in order of admission."""

    def __init__(
        self,
        *,
        num_cells: int,
        num_slots: int,
        max_sequences: int,
        token_budget: int,
        pace: PrefillPace,
        cache: KVCache,
        shelf_bytes: int = 0,
    ) -> None:
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._max_sequences = max_sequences
        self._token_budget = token_budget
        self._pace = pace
        self._slots = Slots(
            num_slots=num_slots, num_cells=num_cells, cache=cache, shelf_bytes=shelf_bytes
        )

    def add(self, sequence: Sequence) -> None:
        self.waiting.append(sequence)

    def schedule(self) -> list[Chunk]:
        """The next step, empty when there is nothing to do. Preempts if the cells don't suffice."""
        self._slots.make_room(self._num_remaining())
        while len(self.running) > 1 and self._num_committed() > self._slots.num_cells:
            self._preempt(self.running[-1])
        chunks = [
            Chunk(sequence, sequence.num_computed_tokens, sequence.num_tokens)
            for sequence in self.running
            if sequence.num_remaining == 1
        ]
        if self.waiting or len(chunks) < len(self.running):
            chunks.extend(self._prefills(num_streams=len(chunks)))
        return chunks

    def computed(self, chunk: Chunk, *, num_right: int = 0) -> None:
        """To be told of each chunk that was decoded, and how much of its draft was right."""
        sequence, length = chunk.sequence, chunk.end + num_right
        self._slots.extend(sequence.slot, length - chunk.start)
        sequence.num_computed_tokens = length
        if num_right < len(chunk.draft):
            sequence.num_computed_tokens = self._slots.cut(sequence.slot, length=length)

    def roll_back(self, chunk: Chunk) -> None:
        """To be told of each chunk that was not, or not for certain."""
        sequence = chunk.sequence
        sequence.num_computed_tokens = self._slots.cut(sequence.slot, length=chunk.start)

    def remove(self, sequence: Sequence, *, stays: bool = True) -> None:
        """Forget a sequence wherever it is; idempotent. `stays`: as a resident of the cache."""
        if sequence in self.running:
            self._leave(sequence, stays=stays)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)
        sequence.status = SequenceStatus.FINISHED

    def free_cells(self) -> bool:
        """Make room when the cache is fuller than counted: all residents go, or else the youngest
        sequence waits again. False: there is only one sequence left, and nothing else."""
        if self._slots.has_residents:
            self._slots.evict_all()
            return True
        if len(self.running) < 2:
            return False
        self._preempt(self.running[-1])
        return True

    def tidy(self) -> bool:
        """To be called once a step. False: there is nothing to tidy up in the KV cache."""
        return self._slots.tidy()

    @property
    def num_taken_cells(self) -> int:
        """By running sequences and by what ended ones left."""
        return self._slots.num_taken_by_all()

    @property
    def num_free_cells(self) -> int:
        """After a step of those that run."""
        return self._slots.num_cells - self.num_taken_cells - self._num_remaining()

    @property
    def slot_lengths(self) -> list[int]:
        """Tokens in each slot, running or not."""
        return self._slots.lengths

    def moved(self) -> Iterator[Sequence]:
        """New sequences whose place in the queue changed since the last call."""
        for position, sequence in enumerate(self.waiting, start=1):
            if sequence.status is SequenceStatus.WAITING and sequence.position != position:
                sequence.position = position
                yield sequence

    def check_integrity(self) -> None:
        """For tests: nothing is counted twice, nothing is lost."""
        self._slots.check_integrity(self.running)
        assert len(self.running) <= self._max_sequences
        assert all(0 <= one.num_computed_tokens <= one.num_tokens for one in self.running)
        assert all(one.num_computed_tokens == 0 and one.slot == -1 for one in self.waiting)
        assert self.num_taken_cells <= self._slots.num_cells

    def _prefills(self, *, num_streams: int) -> Iterator[Chunk]:
        """Of prompts in the order of their arrival; short ones pass those that take many steps."""
        budget = self._token_budget - num_streams
        chunk = min(budget, self._pace.chunk(num_streams=num_streams))
        whole = min(budget, self._pace.whole(num_streams=num_streams))
        for sequence in self._prompts():
            taken = _num_taken(sequence, chunk=chunk, whole=whole)
            if taken:
                start = sequence.num_computed_tokens
                yield Chunk(sequence, start, start + taken)
            chunk, whole = chunk - taken, whole - taken
            if whole <= 0:
                return

    def _prompts(self) -> Iterator[Sequence]:
        """Those in prefill, and after them those that can begin now."""
        yield from [sequence for sequence in self.running if sequence.num_remaining > 1]
        while (admitted := self._admit()) is not None:
            yield admitted

    def _admit(self) -> Sequence | None:
        """The next in line, if it can begin now."""
        if not self.waiting or len(self.running) >= self._max_sequences or not self._slots.has_room:
            return None
        sequence = self.waiting[0]
        match = self._slots.find(sequence, self.running)
        length = match.length if match else 0
        if self._is_being_computed(sequence, beyond=length) or not self._fits(sequence, match):
            return None
        self._begin(self.waiting.popleft(), match)
        return sequence

    def _is_being_computed(self, sequence: Sequence, *, beyond: int) -> bool:
        """Somebody's prompt that is still in prefill begins as this one does."""
        return self._slots.can_share and any(
            shared_length(sequence, other) >= beyond + WORTH_WAITING
            for other in self.running
            if other.num_remaining > 1
        )

    def _fits(self, sequence: Sequence, match: Match | None) -> bool:
        """There are cells for its prompt and some growth of everyone, if residents make room."""
        if not self.running:
            return True
        shared = match.length if match and match.holder in self.running else 0
        growth = HEADROOM * (len(self.running) + 1)
        needed = self._num_committed() + sequence.num_tokens - shared + growth
        return needed <= self._slots.num_cells

    def _begin(self, sequence: Sequence, match: Match | None) -> None:
        slot, length = self._slots.take(sequence, match)
        if sequence.status is SequenceStatus.WAITING:
            sequence.cached_tokens = length
        sequence.slot, sequence.num_computed_tokens = slot, length
        sequence.status = SequenceStatus.RUNNING
        self.running.append(sequence)
        self._slots.make_room(self._num_remaining())

    def _preempt(self, sequence: Sequence) -> None:
        self._leave(sequence, stays=False)
        sequence.status = SequenceStatus.PREEMPTED
        self.waiting.appendleft(sequence)

    def _leave(self, sequence: Sequence, *, stays: bool) -> None:
        self.running.remove(sequence)
        if stays and sequence.num_computed_tokens:
            self._slots.keep(sequence)
        else:
            self._slots.release(sequence.slot)
        sequence.slot = -1
        sequence.num_computed_tokens = 0

    def _num_committed(self) -> int:
        """Cells that all running sequences take once their tokens are computed."""
        return self._slots.num_taken(one.slot for one in self.running) + self._num_remaining()

    def _num_remaining(self) -> int:
        return sum(sequence.num_remaining for sequence in self.running)


def _num_taken(sequence: Sequence, *, chunk: int, whole: int) -> int:
    """Prompt tokens in this step: `chunk` at most, or all if they are no more than `whole`."""
    if sequence.is_new and sequence.num_remaining <= whole:
        return sequence.num_remaining
    return max(0, min(sequence.num_remaining, chunk))
