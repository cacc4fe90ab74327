from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engine.pace import PrefillPace
from inference.engine.scheduler import Chunk, Scheduler
from inference.engine.sequence import Sequence, SequenceStatus


def make_scheduler(
    *, num_cells: int = 1000, max_sequences: int = 4, token_budget: int = 64
) -> tuple[Scheduler, list[int]]:
    released: list[int] = []
    scheduler = Scheduler(
        num_cells=num_cells,
        max_sequences=max_sequences,
        token_budget=token_budget,
        pace=PrefillPace(largest=token_budget, decode_seconds=0.0001),
        release=released.append,
    )
    return scheduler, released


def added(scheduler: Scheduler, name: str, num_tokens: int) -> Sequence:
    sequence = Sequence(name, 0.0)
    sequence.take_prompt(array("i", range(num_tokens)))
    scheduler.add(sequence)
    return sequence


def computed(chunks: list[Chunk]) -> dict[str, int]:
    """Carry the step out: everything is computed, and who completes gets a token."""
    for chunk in chunks:
        chunk.sequence.num_computed_tokens = chunk.end
        if chunk.completes:
            chunk.sequence.append(1, b"x", now=0.0)
    return {chunk.sequence.sequence_id: chunk.end - chunk.start for chunk in chunks}


def step(scheduler: Scheduler) -> dict[str, int]:
    counts = computed(scheduler.schedule())
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
    scheduler, released = make_scheduler(num_cells=256, token_budget=256)
    old = added(scheduler, "old", 80)
    young = added(scheduler, "young", 80)
    step(scheduler)

    while young.status is SequenceStatus.RUNNING:
        step(scheduler)

    assert old.status is SequenceStatus.RUNNING
    assert young.status is SequenceStatus.PREEMPTED
    assert released == [1]
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

    assert scheduler.preempt_youngest() is young
    assert list(scheduler.moved()) == []
    assert scheduler.preempt_youngest() is None


def test_removing_twice_is_the_same_as_once():
    scheduler, released = make_scheduler()
    sequence = added(scheduler, "one", 5)
    step(scheduler)

    scheduler.remove(sequence)
    scheduler.remove(sequence)

    assert released == [0]
    scheduler.check_integrity()


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
        added(scheduler, str(index), prompt)

    for _ in range(10_000):
        chunks = scheduler.schedule()
        if not chunks:
            break
        assert sum(chunk.end - chunk.start for chunk in chunks) <= token_budget
        computed(chunks)
        scheduler.check_integrity()
        for chunk in chunks:
            if chunk.sequence.completion_tokens >= wanted[chunk.sequence.sequence_id]:
                scheduler.remove(chunk.sequence)

    assert not scheduler.running and not scheduler.waiting
