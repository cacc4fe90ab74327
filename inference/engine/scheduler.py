"""Which tokens are computed next.

A sequence has `num_tokens` and `num_computed_tokens`; each step gives it up to a number of further
computed tokens. Prefill is "many", decode is "one", and a preempted sequence is simply one with
nothing computed. Pure bookkeeping: no model, no clock, no text.

Fairness: running sequences first, one token each; then prompts in the order of their arrival,
within what is left of the token budget and never more than the pace allows in one step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from inference.engine.pace import PrefillPace
from inference.engine.sequence import Sequence, SequenceStatus

# Cells left free at admission for each sequence to grow into, lest it be preempted at once.
HEADROOM = 32


@dataclass(frozen=True)
class Chunk:
    """The tokens `start` to `end` of a sequence, to be computed in this step."""

    sequence: Sequence
    start: int
    end: int

    @property
    def is_prefill(self) -> bool:
        return self.end - self.start > 1 or self.end < self.sequence.num_tokens

    @property
    def completes(self) -> bool:
        """After this chunk the sequence's next token can be sampled."""
        return self.end == self.sequence.num_tokens


class Scheduler:
    """Owns the queue, the slots and the count of KV cells; `running` is in order of admission.

    `release(slot)` is called for every slot that is given up: the KV cache must let go of it.
    """

    def __init__(
        self,
        *,
        num_cells: int,
        max_sequences: int,
        token_budget: int,
        pace: PrefillPace,
        release: Callable[[int], None],
    ) -> None:
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._num_cells = num_cells
        self._free_slots = list(range(max_sequences - 1, -1, -1))
        self._token_budget = token_budget
        self._pace = pace
        self._release = release

    def add(self, sequence: Sequence) -> None:
        self.waiting.append(sequence)

    def schedule(self) -> list[Chunk]:
        """The next step, empty when there is nothing to do. Preempts if the cells don't suffice."""
        while len(self.running) > 1 and self._num_committed() > self._num_cells:
            self._preempt(self.running[-1])
        chunks = [
            Chunk(sequence, sequence.num_computed_tokens, sequence.num_tokens)
            for sequence in self.running
            if sequence.num_remaining == 1
        ]
        budget = min(self._token_budget - len(chunks), self._pace.chunk(shared=len(chunks) > 0))
        chunks.extend(self._prefills(budget))
        return chunks

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence wherever it is; its slot is free for another. Idempotent."""
        if sequence in self.running:
            self._leave(sequence)
        elif sequence in self.waiting:
            self.waiting.remove(sequence)
        sequence.status = SequenceStatus.FINISHED

    def preempt_youngest(self) -> Sequence | None:
        """Make room when the cache is fuller than counted; None if only one sequence is left."""
        if len(self.running) < 2:
            return None
        youngest = self.running[-1]
        self._preempt(youngest)
        return youngest

    def moved(self) -> Iterator[Sequence]:
        """New sequences whose place in the queue changed since the last call."""
        for position, sequence in enumerate(self.waiting, start=1):
            if sequence.status is SequenceStatus.WAITING and sequence.position != position:
                sequence.position = position
                yield sequence

    def check_integrity(self) -> None:
        """For tests: nothing is counted twice, nothing is lost."""
        slots = [sequence.slot for sequence in self.running]
        assert len(set(slots)) == len(slots)
        assert not set(slots) & set(self._free_slots)
        assert all(0 <= one.num_computed_tokens <= one.num_tokens for one in self.running)
        assert all(one.num_computed_tokens == 0 and one.slot == -1 for one in self.waiting)
        assert len(self.running) < 2 or self._num_computed() <= self._num_cells

    def _prefills(self, budget: int) -> Iterator[Chunk]:
        for sequence in self.running:
            if budget > 0 and sequence.num_remaining > 1:
                yield (chunk := _prefill(sequence, budget))
                budget -= chunk.end - chunk.start
        while budget > 0 and self._has_room():
            yield (chunk := _prefill(self._admit(), budget))
            budget -= chunk.end - chunk.start

    def _has_room(self) -> bool:
        """The next in line finds a slot, and cells for its prompt and some growth of everyone."""
        if not self.waiting or not self._free_slots:
            return False
        if not self.running:
            return True
        growth = HEADROOM * (len(self.running) + 1)
        needed = self._num_committed() + self.waiting[0].num_tokens + growth
        return needed <= self._num_cells

    def _admit(self) -> Sequence:
        sequence = self.waiting.popleft()
        sequence.slot = self._free_slots.pop()
        sequence.status = SequenceStatus.RUNNING
        self.running.append(sequence)
        return sequence

    def _preempt(self, sequence: Sequence) -> None:
        self._leave(sequence)
        sequence.status = SequenceStatus.PREEMPTED
        self.waiting.appendleft(sequence)

    def _leave(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self._release(sequence.slot)
        self._free_slots.append(sequence.slot)
        sequence.slot = -1
        sequence.num_computed_tokens = 0

    def _num_committed(self) -> int:
        return sum(sequence.num_tokens for sequence in self.running)

    def _num_computed(self) -> int:
        return sum(sequence.num_computed_tokens for sequence in self.running)


def _prefill(sequence: Sequence, budget: int) -> Chunk:
    start = sequence.num_computed_tokens
    return Chunk(sequence, start, min(sequence.num_tokens, start + budget))
