from __future__ import annotations

import zlib
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.backends.base import SavedState
from inference.engine.pace import PrefillPace
from inference.engine.prefix import common_length
from inference.engine.scheduler import Chunk, Scheduler
from inference.engine.sequence import Prompt, Sequence, SequenceStatus


class Cache:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.released: list[int] = []
        self.cut: list[tuple[int, int]] = []
        self.shared: list[tuple[int, int, int]] = []
        self.saved: list[int] = []
        self.restored: list[int] = []
        self.can_be_cut = True

    def forget(self, slot: int, *, position: int = 0) -> bool:
        if position:
            self.cut.append((slot, position))
            return self.can_be_cut
        self.released.append(slot)
        return True

    def share(self, slot: int, other: int, *, length: int) -> bool:
        self.shared.append((slot, other, length))
        return self.can_be_cut

    def save(self, slot: int, *, most: int) -> SavedState | None:
        self.saved.append(slot)
        return SavedState(1, None) if most else None

    def restore(self, slot: int, state: SavedState) -> bool:
        self.restored.append(slot)
        return True


def make_scheduler(
    *,
    num_cells: int = 1000,
    max_sequences: int = 4,
    num_slots: int | None = None,
    token_budget: int = 64,
    shelf_bytes: int = 0,
    decode_seconds: float = 0.0001,
) -> tuple[Scheduler, Cache]:
    cache = Cache()
    scheduler = Scheduler(
        num_cells=num_cells,
        num_slots=num_slots or max_sequences,
        max_sequences=max_sequences,
        token_budget=token_budget,
        pace=PrefillPace(largest=token_budget, decode_seconds=decode_seconds),
        cache=cache,
        shelf_bytes=shelf_bytes,
    )
    return scheduler, cache


def added(
    scheduler: Scheduler,
    name: str,
    num_tokens: int,
    *,
    first: int | None = None,
    user: str = "",
    num_public: int = 0,
) -> Sequence:
    """Prompts have nothing in common unless they have the same `first` token."""
    first = zlib.crc32(name.encode()) % 1_000_000 * 1000 if first is None else first
    sequence = Sequence(name, 0.0, user=user)
    sequence.take_prompt(Prompt(array("i", range(first, first + num_tokens)), num_public))
    scheduler.add(sequence)
    return sequence


def computed(scheduler: Scheduler, chunks: list[Chunk]) -> dict[str, int]:
    """Carry the step out: everything is computed, and who completes gets a token."""
    for chunk in chunks:
        scheduler.computed(chunk)
        if chunk.completes:
            chunk.sequence.append(1, b"x", now=0.0)
    return {chunk.sequence.sequence_id: chunk.end - chunk.start for chunk in chunks}


def step(scheduler: Scheduler) -> dict[str, int]:
    counts = computed(scheduler, scheduler.schedule())
    scheduler.check_integrity()
    return counts


def test_running_sequences_come_first_and_prompts_share_what_is_left():
    scheduler, _ = make_scheduler(token_budget=64)
    added(scheduler, "short", 10)
    step(scheduler)
    added(scheduler, "long", 100)

    assert step(scheduler) == {"short": 1, "long": 63}
    assert step(scheduler) == {"short": 1, "long": 37}
    assert step(scheduler) == {"short": 1, "long": 1}


def test_a_short_prompt_passes_a_long_one_that_is_in_prefill():
    scheduler, _ = make_scheduler(token_budget=512, decode_seconds=0.02)
    added(scheduler, "stream", 1)
    step(scheduler)
    added(scheduler, "long", 500)
    step(scheduler)
    added(scheduler, "short", 15)

    together = step(scheduler)

    assert together["stream"] == 1
    assert together["long"] < 15
    assert together["short"] == 15


def test_what_is_left_of_a_long_prompt_is_no_short_one():
    """Else streams would pause for the end of each."""
    scheduler, _ = make_scheduler(token_budget=512, decode_seconds=0.02)
    added(scheduler, "stream", 1)
    step(scheduler)
    added(scheduler, "long", 100)
    taken = [step(scheduler)["long"] for _ in range(5)]

    assert max(taken) < 15


def test_prompts_are_taken_in_the_order_of_their_arrival():
    scheduler, _ = make_scheduler(token_budget=64)
    added(scheduler, "first", 50)
    added(scheduler, "second", 50)

    assert step(scheduler) == {"first": 50, "second": 14}


def test_a_sequence_waits_when_all_slots_are_taken():
    scheduler, _ = make_scheduler(max_sequences=1)
    first = added(scheduler, "first", 5)
    added(scheduler, "second", 5)

    assert step(scheduler) == {"first": 5}
    assert step(scheduler) == {"first": 1}

    scheduler.remove(first)

    assert step(scheduler) == {"second": 5}


def test_a_sequence_waits_until_its_prompt_finds_room_in_the_cache():
    scheduler, _ = make_scheduler(num_cells=256, token_budget=256)
    large = added(scheduler, "large", 150)
    added(scheduler, "other", 100)

    assert step(scheduler) == {"large": 150}
    scheduler.remove(large)
    assert step(scheduler) == {"other": 100}


def test_the_youngest_is_preempted_when_the_cache_is_full_and_computed_again_later():
    scheduler, cache = make_scheduler(num_cells=256, token_budget=256)
    old = added(scheduler, "old", 80)
    young = added(scheduler, "young", 80)
    step(scheduler)

    while young.status is SequenceStatus.RUNNING:
        step(scheduler)

    assert old.status is SequenceStatus.RUNNING
    assert young.status is SequenceStatus.PREEMPTED
    assert cache.released == [1]
    tokens = young.num_tokens
    scheduler.remove(old)
    assert step(scheduler) == {"young": tokens}


def test_a_single_sequence_may_fill_the_whole_cache():
    scheduler, _ = make_scheduler(num_cells=64)
    only = added(scheduler, "only", 60)
    for _ in range(4):
        step(scheduler)

    assert only.num_tokens == 64
    assert only.status is SequenceStatus.RUNNING


def test_places_in_the_queue_are_told_when_they_change():
    scheduler, _ = make_scheduler(max_sequences=1)
    running = added(scheduler, "running", 5)
    step(scheduler)
    added(scheduler, "next", 5)
    added(scheduler, "last", 5)

    assert [(one.sequence_id, one.position) for one in scheduler.moved()] == [
        ("next", 1),
        ("last", 2),
    ]
    assert list(scheduler.moved()) == []
    scheduler.remove(running)
    step(scheduler)
    assert [(one.sequence_id, one.position) for one in scheduler.moved()] == [("last", 1)]


def test_a_preempted_sequence_has_no_place_in_the_queue_to_tell():
    scheduler, _ = make_scheduler()
    added(scheduler, "old", 5)
    young = added(scheduler, "young", 5)
    step(scheduler)

    assert scheduler.free_cells()
    assert young.status is SequenceStatus.PREEMPTED
    assert list(scheduler.moved()) == []
    assert not scheduler.free_cells()


def test_removing_twice_is_the_same_as_once():
    scheduler, cache = make_scheduler()
    sequence = added(scheduler, "one", 5)
    step(scheduler)

    scheduler.remove(sequence, stays=False)
    scheduler.remove(sequence, stays=False)

    assert cache.released == [0]
    scheduler.check_integrity()


# -- residents ----------------------------------------------------------------------------------


def ended(scheduler: Scheduler, name: str, num_tokens: int, **prompt: Any) -> Sequence:
    """Computed, and then removed before its second token."""
    sequence = added(scheduler, name, num_tokens, **prompt)
    while sequence.num_computed_tokens < num_tokens:
        step(scheduler)
    scheduler.remove(sequence)
    return sequence


def test_the_next_turn_computes_only_what_is_new():
    scheduler, cache = make_scheduler()
    ended(scheduler, "turn", 40, first=100)

    second = added(scheduler, "next turn", 60, first=100)

    assert step(scheduler) == {"next turn": 20}
    assert second.cached_tokens == second.usage.cached_tokens == 40
    assert (cache.cut, cache.shared, cache.released) == ([(0, 40)], [], [])


def test_the_same_prompt_again_computes_its_last_token():
    scheduler, _ = make_scheduler()
    ended(scheduler, "once", 40, first=100)

    added(scheduler, "again", 40, first=100)

    assert step(scheduler) == {"again": 1}


def test_a_beginning_is_shared_and_the_rest_of_the_other_chat_stays():
    scheduler, cache = make_scheduler(token_budget=200)
    ended(scheduler, "long chat", 100, first=100)

    other = added(scheduler, "other chat", 30, first=100)
    other.tokens[20:] = array("i", range(10))

    assert step(scheduler) == {"other chat": 10}
    assert (cache.cut, cache.shared) == ([], [(0, 1, 20)])
    added(scheduler, "long chat again", 120, first=100)
    assert step(scheduler) == {"other chat": 1, "long chat again": 20}


def test_nobody_finds_what_another_user_left():
    scheduler, _ = make_scheduler()
    ended(scheduler, "ada's", 40, first=100, user="ada")

    added(scheduler, "grace's", 40, first=100, user="grace")

    assert step(scheduler) == {"grace's": 40}


def test_a_few_equal_tokens_are_not_worth_it():
    scheduler, cache = make_scheduler()
    ended(scheduler, "one", 7, first=100)

    added(scheduler, "two", 30, first=100)

    assert step(scheduler) == {"two": 30}
    assert cache.cut == []


def test_a_cache_that_cannot_be_cut_is_computed_again():
    scheduler, cache = make_scheduler()
    ended(scheduler, "turn", 40, first=100)
    cache.can_be_cut = False

    second = added(scheduler, "next turn", 60, first=100)

    assert step(scheduler) == {"next turn": 60}
    assert second.cached_tokens == 0
    assert cache.released == [0]


def test_who_needs_a_slot_gets_that_of_the_resident_used_longest_ago():
    scheduler, cache = make_scheduler(max_sequences=2)
    ended(scheduler, "first", 40, first=100)
    ended(scheduler, "second", 40, first=5000)
    ended(scheduler, "first again", 45, first=100)

    added(scheduler, "third", 10)

    assert step(scheduler) == {"third": 10}
    assert cache.released == [1]


def test_residents_leave_before_anybody_is_preempted_or_waits():
    scheduler, cache = make_scheduler(num_cells=256, token_budget=256)
    ended(scheduler, "resident", 100)
    running = added(scheduler, "running", 80)
    step(scheduler)

    added(scheduler, "large", 100)

    assert step(scheduler) == {"running": 1, "large": 100}
    assert cache.released == [0]
    assert running.status is SequenceStatus.RUNNING


def test_a_cache_fuller_than_counted_loses_its_residents_first():
    scheduler, cache = make_scheduler()
    ended(scheduler, "resident", 20)
    only = added(scheduler, "only", 10)
    step(scheduler)

    assert scheduler.free_cells()
    assert cache.released == [0]
    assert only.status is SequenceStatus.RUNNING
    assert not scheduler.free_cells()


# -- what several prompts begin with --------------------------------------------------------------


def test_a_beginning_that_is_just_being_computed_is_waited_for():
    scheduler, cache = make_scheduler(token_budget=64)
    added(scheduler, "first", 100, first=100)
    second = added(scheduler, "second", 110, first=100)

    assert step(scheduler) == {"first": 64}
    assert step(scheduler) == {"first": 36}
    assert step(scheduler) == {"first": 1, "second": 10}
    assert second.cached_tokens == 100
    assert cache.shared == [(0, 1, 100)]


def test_who_waits_for_a_beginning_that_never_comes_computes_it_itself():
    scheduler, _ = make_scheduler(token_budget=64)
    first = added(scheduler, "first", 100, first=100)
    added(scheduler, "second", 110, first=100)
    step(scheduler)

    scheduler.remove(first, stays=False)

    assert step(scheduler) == {"second": 64}


def test_a_short_common_beginning_is_not_waited_for():
    scheduler, _ = make_scheduler(token_budget=64)
    added(scheduler, "first", 31, first=100)

    other = added(scheduler, "other", 40, first=100)
    other.tokens[31:] = array("i", range(9))

    assert step(scheduler) == {"first": 31, "other": 33}


def test_nobody_waits_where_the_cache_cannot_share():
    scheduler, cache = make_scheduler(token_budget=64)
    cache.can_be_cut = False
    ended(scheduler, "turn", 40, first=100)
    running = added(scheduler, "shorter", 30, first=100)
    step(scheduler)
    scheduler.remove(running)
    added(scheduler, "first", 50, first=5000)

    added(scheduler, "second", 60, first=5000)

    assert step(scheduler) == {"first": 50, "second": 14}


def test_users_share_what_none_of_them_wrote_and_no_more():
    scheduler, cache = make_scheduler(token_budget=200)
    added(scheduler, "ada's", 100, first=100, user="ada", num_public=60)
    step(scheduler)

    grace = added(scheduler, "grace's", 100, first=100, user="grace", num_public=70)

    assert step(scheduler) == {"ada's": 1, "grace's": 40}
    assert grace.cached_tokens == 60
    assert cache.shared == [(0, 1, 60)]


def test_a_resident_of_another_user_keeps_what_that_one_wrote():
    scheduler, cache = make_scheduler(token_budget=200)
    ended(scheduler, "ada's", 100, first=100, user="ada", num_public=60)

    added(scheduler, "grace's", 100, first=100, user="grace", num_public=60)

    assert step(scheduler) == {"grace's": 40}
    assert (cache.cut, cache.shared) == ([], [(0, 1, 60)])


def test_shared_cells_are_counted_once():
    scheduler, _ = make_scheduler(num_cells=300, token_budget=300)
    for number in range(4):
        prompt = added(scheduler, str(number), 130, first=100)
        prompt.tokens[120:] = array("i", [number] * 10)

    assert step(scheduler) == {"0": 130}
    assert step(scheduler) == {"0": 1, "1": 10, "2": 10, "3": 10}
    assert scheduler.num_taken_cells == 161


def test_ended_chats_have_slots_beside_those_that_run():
    scheduler, cache = make_scheduler(max_sequences=1, num_slots=3)
    for number in range(3):
        ended(scheduler, str(number), 40, first=1000 * number)

    for number in range(3):
        ended(scheduler, f"{number} again", 60, first=1000 * number)

    assert cache.released == []
    assert len(cache.cut) == 3


@given(
    one=st.lists(st.integers(0, 2), max_size=30),
    other=st.lists(st.integers(0, 2), max_size=30),
)
def test_the_common_length_is_that_of_the_common_beginning(one: list[int], other: list[int]):
    length = common_length(array("i", one), array("i", other))

    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or length == len(one) == len(
        other
    )


@pytest.mark.timeout(60)
@given(
    prompts=st.lists(st.tuples(st.integers(1, 120), st.integers(1, 40)), max_size=12),
    max_sequences=st.integers(1, 5),
    token_budget=st.integers(8, 200),
)
def test_every_sequence_comes_to_its_end_with_each_token_computed(
    prompts: list[tuple[int, int]], max_sequences: int, token_budget: int
):
    scheduler, _ = make_scheduler(
        num_cells=160, max_sequences=max_sequences, token_budget=token_budget
    )
    wanted = {str(index): completion for index, (_, completion) in enumerate(prompts)}
    for index, (prompt, _) in enumerate(prompts):
        added(scheduler, str(index), prompt, first=index % 3 * 1000)

    for _ in range(10_000):
        chunks = scheduler.schedule()
        if not chunks:
            break
        assert sum(chunk.end - chunk.start for chunk in chunks) <= token_budget
        computed(scheduler, chunks)
        scheduler.check_integrity()
        for chunk in chunks:
            if chunk.sequence.completion_tokens >= wanted[chunk.sequence.sequence_id]:
                scheduler.remove(chunk.sequence)

    assert not scheduler.running and not scheduler.waiting
