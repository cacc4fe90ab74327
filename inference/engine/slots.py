"""The KV cache as the scheduler sees it: slots to be taken, what is left in them, cells that are free.

A slot is free, or a running sequence's, or a resident's. Pure bookkeeping but for the calls that
tell the model which tokens stay; owned by the scheduler.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Collection
from typing import Protocol

from inference.backends.base import SavedState
from inference.engine.cells import Cells
from inference.engine.prefix import Holder, Match, best_match
from inference.engine.residents import Resident, Residents
from inference.engine.shelf import Shelf, Shelved

# Attention takes cells by blocks of this size.
RESIDENT_CELLS = 256
# Copied in some ten milliseconds; streams wait for it.
MOST_BYTES_AT_ONCE = 128 * 1024 * 1024


class KVCache(Protocol):
    """The part of a `LoadedModel` that is told which tokens stay."""

    def forget(self, slot: int, *, position: int = 0) -> bool: ...

    def share(self, slot: int, other: int, *, length: int) -> bool: ...

    def save(self, slot: int, *, most: int) -> SavedState | None: ...

    def restore(self, slot: int, state: SavedState) -> bool: ...


class Slots:
    """`can_share` False: the model has refused to keep a part of what a slot holds."""

    def __init__(
        self, *, num_slots: int, num_cells: int, cache: KVCache, shelf_bytes: int = 0
    ) -> None:
        self.num_cells = num_cells
        self.can_share = True
        self._num_slots = num_slots
        self._cache = cache
        self._free = list(range(num_slots - 1, -1, -1))
        self._residents = Residents()
        self._shelf = Shelf(shelf_bytes)
        self._is_tidy = True
        self._cells = Cells()

    @property
    def has_room(self) -> bool:
        """There is a slot that nobody computes in."""
        return bool(self._free or self._residents)

    @property
    def has_residents(self) -> bool:
        return len(self._residents) > 0

    def num_taken(self, slots: Iterable[int]) -> int:
        """Cells, without those that only residents hold."""
        return self._cells.num_taken(slots)

    def num_taken_by_all(self) -> int:
        return self._cells.num_taken(range(self._num_slots))

    @property
    def lengths(self) -> list[int]:
        return [self._cells.length(slot) for slot in range(self._num_slots)]

    def find(self, prompt: Holder, running: Collection[Holder]) -> Match | None:
        """What of a prompt is in the cache already. Where nothing can be shared, a resident's slot may
        still be taken over."""
        holders: list[Holder] = [*self._residents, *(running if self.can_share else ())]
        match, shelved = best_match(prompt, holders), best_match(prompt, self._shelf)
        if shelved and shelved.is_most and (not match or match.length < shelved.length):
            return shelved
        return match

    def take(self, prompt: Holder, match: Match | None) -> tuple[int, int]:
        """A slot for the prompt, and how many of its first tokens are in it."""
        self._is_tidy, is_alone = False, self._is_idle
        found = self._found(prompt, match)
        if is_alone:
            self._clear_the_way()
        return found

    def _found(self, prompt: Holder, match: Match | None) -> tuple[int, int]:
        if match is None:
            return self._empty(), 0
        if isinstance(match.holder, Shelved):
            return self._restored(match.holder, match.length, is_own=self._is_own(prompt, match))
        resident = match.holder
        if isinstance(resident, Resident):
            is_own = self._is_own(prompt, match)
            if is_own or (not self._free and len(self._residents) == 1):
                return self._taken_over(resident, match.length)
            self._residents.use(resident)
        slot = self._empty(but=match.holder)
        self.can_share = self._cache.share(match.holder.slot, slot, length=match.length)
        if not self.can_share:
            return slot, 0
        self._cells.share(match.holder.slot, slot, length=match.length)
        return slot, match.length

    def extend(self, slot: int, num_tokens: int) -> None:
        """These were computed."""
        self._cells.extend(slot, num_tokens)

    def cut(self, slot: int, *, length: int) -> int:
        """Drop what follows the first `length` tokens; returns how many stay, which are none where
        the model can't drop a part."""
        if length and self._cache.forget(slot, position=length):
            self._cells.cut(slot, length=length)
            return length
        self.can_share = self.can_share and not length
        self._cache.forget(slot)
        self._cells.cut(slot, length=0)
        return 0

    def release(self, slot: int) -> None:
        self.cut(slot, length=0)
        self._free.append(slot)

    def keep(self, ended: Holder) -> None:
        """Its slot becomes a resident's."""
        tokens = ended.tokens[: ended.num_computed_tokens]
        self._residents.keep(Resident(ended.slot, tokens, ended.user, ended.num_public_tokens))
        self._is_tidy = False

    def tidy(self) -> bool:
        """Take one resident out of the way of decodes, one at a time, as a step waits for it. False:
        nothing is to be done. While nobody computes the newest one stays: it is asked for most."""
        if self._is_tidy:
            return False
        oldest = self._residents.oldest()
        is_few = (
            len(self._residents) < 2 if self._is_idle else self._num_resident() <= RESIDENT_CELLS
        )
        self._is_tidy = oldest is None or is_few or not self._move_to_shelf(oldest)
        return not self._is_tidy

    def make_room(self, num_needed: int) -> None:
        """Residents leave until so many cells are free, or none is left."""
        while self._residents and self.num_taken_by_all() + num_needed > self.num_cells:
            self._evict()

    def evict_all(self) -> None:
        while self._residents:
            self._evict()

    def check_integrity(self, running: Collection[Holder]) -> None:
        """For tests: nothing is counted twice, nothing is lost."""
        holders: list[Holder] = [*running, *self._residents]
        slots = [one.slot for one in holders]
        assert sorted([*slots, *self._free]) == list(range(self._num_slots))
        for one in holders:
            assert self._cells.length(one.slot) == one.num_computed_tokens
        assert all(self._cells.length(slot) == 0 for slot in self._free)
        assert self._shelf.num_bytes <= self._shelf.capacity

    def _taken_over(self, resident: Resident, length: int) -> tuple[int, int]:
        """The resident's own slot, without what the prompt does not begin with."""
        self._residents.take(resident)
        return resident.slot, self.cut(resident.slot, length=length)

    def _clear_the_way(self) -> None:
        """For a prompt that is computed alone: attention is divided among threads by cells, and one
        that gets only those of residents has nothing to do."""
        for resident in list(self._residents):
            self._move_to_shelf(resident)

    def _move_to_shelf(self, resident: Resident) -> bool:
        is_moved = self._shelve(resident)
        if is_moved:
            self._residents.take(resident)
            self.release(resident.slot)
        return is_moved

    def _restored(self, shelved: Shelved, length: int, *, is_own: bool) -> tuple[int, int]:
        """A slot with a copy of what was shelved; an empty one where there is no room for it."""
        if is_own:
            self._shelf.take(shelved)
        else:
            self._shelf.use(shelved)
        slot, num_tokens = self._empty(), shelved.num_computed_tokens
        self.make_room(num_tokens)
        has_room = self.num_taken_by_all() + num_tokens <= self.num_cells
        if not has_room or not self._cache.restore(slot, shelved.state):
            return slot, 0
        self._cells.extend(slot, num_tokens)
        return slot, self.cut(slot, length=length)

    def _empty(self, *, but: object = None) -> int:
        if not self._free:
            self._evict(but=but)
        return self._free.pop()

    def _evict(self, *, but: object = None) -> None:
        oldest = self._residents.oldest(but=but)
        assert oldest is not None, "admitted without a slot"
        self._shelve(oldest)
        self._residents.take(oldest)
        self.release(oldest.slot)

    def _shelve(self, resident: Resident) -> bool:
        """Keep a copy, if there is room for it and nobody waits long for it."""
        most = (
            self._shelf.capacity if self._is_idle else min(self._shelf.capacity, MOST_BYTES_AT_ONCE)
        )
        state = self._cache.save(resident.slot, most=most) if most else None
        if state is None:
            return False
        owner = (resident.tokens, resident.user, resident.num_public_tokens)
        self._shelf.keep(Shelved(*owner, state))
        return True

    @property
    def _is_idle(self) -> bool:
        return len(self._free) + len(self._residents) == self._num_slots

    def _num_resident(self) -> int:
        """Cells that only residents hold."""
        left = {resident.slot for resident in self._residents}
        used = (slot for slot in range(self._num_slots) if slot not in left)
        return self.num_taken_by_all() - self.num_taken(used)

    def _is_own(self, prompt: Holder, match: Match) -> bool:
        """The prompt goes on where this user's own ended."""
        return match.is_most and match.holder.user == prompt.user
