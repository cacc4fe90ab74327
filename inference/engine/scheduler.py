"""Which tokens are computed next.

A sequence has `num_tokens` and `num_computed_tokens`; each step gives it up to a number of further
computed tokens. Prefill is "many", decode is "one", and a preempted sequence is simply one with
nothing computed. Pure bookkeeping: no model, no clock, no text.

Fairness: running sequences first, one token each; then prompts in the order of their arrival,
within what is left of the token budget and never more than the pace allows in one step.

Ended sequences stay in their slots as residents while nobody needs slots or cells, and a prompt that
begins as one of them did goes on from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from inference.engine.pace import PrefillPace
from inference.engine.residents import Match, Resident, Residents
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


class KVCache(Protocol):
    """The part of a `LoadedModel` that is told which tokens stay."""

    def forget(self, slot: int, *, position: int = 0) -> bool: ...

    def share(self, slot: int, other: int, *, length: int) -> bool: ...


class Scheduler:
    """Owns the queue, the slots and the count of KV cells; `running` is in order of admission."""

    def __init__(
        self,
        *,
        num_cells: int,
        max_sequences: int,
        token_budget: int,
        pace: PrefillPace,
        cache: KVCache,
    ) -> None:
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._num_cells = num_cells
        self._num_slots = max_sequences
        self._free_slots = list(range(max_sequences - 1, -1, -1))
        self._token_budget = token_budget
        self._pace = pace
        self._cache = cache
        self._residents = Residents()

    def add(self, sequence: Sequence) -> None:
        self.waiting.append(sequence)

    def schedule(self) -> list[Chunk]:
        """The next step, empty when there is nothing to do. Preempts if the cells don't suffice."""
        self._make_room()
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
        if self._residents:
            while resident := self._residents.oldest():
                self._evict(resident)
            return True
        if len(self.running) < 2:
            return False
        self._preempt(self.running[-1])
        return True

    @property
    def num_resident_tokens(self) -> int:
        """What ended sequences left in the cache."""
        return self._residents.num_tokens

    def moved(self) -> Iterator[Sequence]:
        """New sequences whose place in the queue changed since the last call."""
        for position, sequence in enumerate(self.waiting, start=1):
            if sequence.status is SequenceStatus.WAITING and sequence.position != position:
                sequence.position = position
                yield sequence

    def check_integrity(self) -> None:
        """For tests: nothing is counted twice, nothing is lost."""
        slots = [sequence.slot for sequence in self.running]
        slots += [*self._residents.slots, *self._free_slots]
        assert sorted(slots) == list(range(self._num_slots))
        assert all(0 <= one.num_computed_tokens <= one.num_tokens for one in self.running)
        assert all(one.num_computed_tokens == 0 and one.slot == -1 for one in self.waiting)
        if len(self.running) > 1 or self._residents:
            assert self._num_computed() + self._residents.num_tokens <= self._num_cells

    def _prefills(self, budget: int) -> Iterator[Chunk]:
        for sequence in self.running:
            if budget > 0 and sequence.num_remaining > 1:
                yield (chunk := _prefill(sequence, budget))
                budget -= chunk.end - chunk.start
        while budget > 0 and self._has_room():
            yield (chunk := _prefill(self._admit(), budget))
            budget -= chunk.end - chunk.start

    def _has_room(self) -> bool:
        """The next in line finds a slot, and cells for its prompt and some growth of everyone, if
        residents make room."""
        if not self.waiting or not (self._free_slots or self._residents):
            return False
        if not self.running:
            return True
        growth = HEADROOM * (len(self.running) + 1)
        needed = self._num_committed() + self.waiting[0].num_tokens + growth
        return needed <= self._num_cells

    def _admit(self) -> Sequence:
        sequence = self.waiting.popleft()
        slot, length = self._place(sequence)
        if sequence.status is SequenceStatus.WAITING:
            sequence.cached_tokens = length
        sequence.slot, sequence.num_computed_tokens = slot, length
        sequence.status = SequenceStatus.RUNNING
        self.running.append(sequence)
        self._make_room()
        return sequence

    def _place(self, sequence: Sequence) -> tuple[int, int]:
        """A slot, and how many of the sequence's first tokens it holds already."""
        match = self._residents.best_match(sequence.tokens, user=sequence.user)
        if match is None:
            return self._empty_slot(), 0
        if match.is_most or (not self._free_slots and len(self._residents) == 1):
            return self._taken_over(match)
        slot = self._empty_slot(but=match.resident)
        self._residents.use(match.resident)
        is_shared = self._cache.share(match.resident.slot, slot, length=match.length)
        return slot, match.length if is_shared else 0

    def _taken_over(self, match: Match) -> tuple[int, int]:
        """The resident's own slot, without what the prompt does not begin with."""
        slot = match.resident.slot
        self._residents.take(match.resident)
        if self._cache.forget(slot, position=match.length):
            return slot, match.length
        self._cache.forget(slot)
        return slot, 0

    def _empty_slot(self, *, but: Resident | None = None) -> int:
        if not self._free_slots:
            oldest = self._residents.oldest(but=but)
            assert oldest is not None, "admitted without a slot"
            self._evict(oldest)
        return self._free_slots.pop()

    def _make_room(self) -> None:
        """Residents leave until all that is running fits."""
        while self._num_committed() + self._residents.num_tokens > self._num_cells:
            oldest = self._residents.oldest()
            if oldest is None:
                return
            self._evict(oldest)

    def _evict(self, resident: Resident) -> None:
        self._residents.take(resident)
        self._cache.forget(resident.slot)
        self._free_slots.append(resident.slot)

    def _preempt(self, sequence: Sequence) -> None:
        self._leave(sequence, stays=False)
        sequence.status = SequenceStatus.PREEMPTED
        self.waiting.appendleft(sequence)

    def _leave(self, sequence: Sequence, *, stays: bool) -> None:
        self.running.remove(sequence)
        computed = sequence.tokens[: sequence.num_computed_tokens]
        if stays and computed:
            self._residents.keep(Resident(sequence.slot, computed, sequence.user))
        else:
            self._cache.forget(sequence.slot)
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
