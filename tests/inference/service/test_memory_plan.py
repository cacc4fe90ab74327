"""Who gets memory when: one load after the other, idle models go, busy ones are waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from inference.errors import ModelLoadFailed
from inference.hardware.memory import Memory
from inference.service.memory_plan import GIB, MemoryPlan, MemoryUse
from inference.types import Affected, LoadPlan


@dataclass
class FakeTenant:
    """A model that has private memory, and leaves when it is asked and not busy."""

    machine: FakeMachine
    model_id: str
    size: int
    is_busy: bool = False
    is_pinned: bool = False
    last_used_at: float = 0.0
    is_wanted: bool = False

    @property
    def users(self) -> tuple[str, ...]:
        return ("ada",) if self.is_busy else ()

    def memory(self) -> MemoryUse:
        return MemoryUse(resident=self.size)

    async def evict(self) -> bool:
        if not self.is_busy:
            self.machine.tenants.remove(self)
        return not self.is_busy

    def want_memory(self, is_wanted: bool) -> None:
        self.is_wanted = is_wanted


class FakeMachine:
    """20 GiB, of which 2 are held back: a tenth, and at most one."""

    def __init__(self, *, has_gpu: bool = False) -> None:
        self.tenants: list[FakeTenant] = []
        self.plan = MemoryPlan(
            lambda: list(self.tenants), has_gpu=has_gpu, probe=self.memory, clock=lambda: 100.0
        )

    def memory(self) -> Memory:
        used = sum(tenant.size for tenant in self.tenants)
        return Memory(total=20 * GIB, available=20 * GIB - used, limited=False)

    def add(self, model_id: str, gib: int, **options: bool | float) -> FakeTenant:
        tenant = FakeTenant(self, model_id, gib * GIB, **options)  # type: ignore[arg-type]
        self.tenants.append(tenant)
        return tenant

    @property
    def names(self) -> list[str]:
        return [tenant.model_id for tenant in self.tenants]


async def test_a_model_that_fits_unloads_nobody():
    machine = FakeMachine()
    machine.add("idle", 9)

    async with machine.plan.reserve("new", 10 * GIB):
        assert machine.names == ["idle"]


@pytest.mark.parametrize("is_busy", [False, True])
async def test_what_is_computed_elsewhere_needs_nobody_to_go(is_busy):
    machine = FakeMachine()
    machine.add("full", 20, is_busy=is_busy)
    assert machine.plan.foresee("remote", 0).verdict == "fits"
    waiting = asyncio.create_task(_load(machine, "waits", 10 if is_busy else 19))

    async with asyncio.timeout(1), machine.plan.reserve("remote", 0):
        assert machine.names == ["full"]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_the_idle_model_that_was_unused_for_longest_is_unloaded():
    machine = FakeMachine()
    machine.add("recent", 8, last_used_at=2.0)
    machine.add("old", 8, last_used_at=1.0)

    async with machine.plan.reserve("new", 10 * GIB):
        assert machine.names == ["recent"]


async def test_a_busy_model_is_waited_for():
    machine = FakeMachine()
    busy = machine.add("busy", 12, is_busy=True)
    loading = asyncio.create_task(_load(machine, "new", 10))
    await asyncio.sleep(0)
    assert not loading.done()
    busy.is_busy = False
    machine.plan.look_again()
    await loading

    assert machine.names == []


async def test_a_busy_model_in_the_way_is_asked_to_make_way_while_somebody_waits():
    machine = FakeMachine()
    in_the_way = machine.add("large", 12, is_busy=True, last_used_at=1.0)
    spared = machine.add("small", 1, is_busy=True)
    loading = asyncio.create_task(_load(machine, "new", 10))
    await asyncio.sleep(0)

    assert (in_the_way.is_wanted, spared.is_wanted) == (True, False)

    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    assert not in_the_way.is_wanted


async def test_who_was_asked_stays_asked_though_another_is_now_unused_for_longer():
    machine = FakeMachine()
    first = machine.add("first", 9, is_busy=True, last_used_at=1.0)
    second = machine.add("second", 9, is_busy=True, last_used_at=2.0)
    loading = asyncio.create_task(_load(machine, "new", 8))
    await asyncio.sleep(0)
    first.last_used_at = 3.0
    machine.plan.look_again()
    await asyncio.sleep(0.01)

    assert (first.is_wanted, second.is_wanted) == (True, False)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)


async def test_a_load_that_is_given_up_just_when_it_may_go_on_is_given_up():
    """The change wakes it and the cancellation comes in the same moment."""
    machine = FakeMachine()
    machine.add("busy", 12, is_busy=True)
    loading = asyncio.create_task(_load(machine, "new", 10))
    await asyncio.sleep(0)
    machine.plan.look_again()
    await asyncio.sleep(0)
    loading.cancel()
    await asyncio.wait({loading}, timeout=0.1)

    assert loading.cancelled()


async def test_a_model_that_refuses_to_go_is_waited_for_and_not_asked_without_a_pause():
    machine = FakeMachine()
    stubborn = machine.add("stubborn", 12)
    questions = []

    async def refuse() -> bool:
        questions.append(1)
        return False

    stubborn.evict = refuse  # type: ignore[method-assign]
    loading = asyncio.create_task(_load(machine, "new", 10))
    await asyncio.sleep(0.02)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)

    assert len(questions) == 1


async def test_a_model_that_never_fits_is_refused_with_both_numbers():
    machine = FakeMachine()

    with pytest.raises(ModelLoadFailed, match=r"40\.0 GiB .* 19\.0 GiB") as refused:
        await _load(machine, "huge", 40)

    assert refused.value.facts == {"needed_bytes": 40 * GIB, "free_bytes": 19 * GIB}


async def test_what_is_pinned_is_named_when_it_is_in_the_way():
    machine = FakeMachine()
    machine.add("pinned", 12, is_pinned=True)

    with pytest.raises(ModelLoadFailed, match=r"kept in memory hold 12\.0 GiB"):
        await _load(machine, "new", 10)

    assert machine.names == ["pinned"]


def test_a_plan_says_who_would_go_and_moves_nobody():
    machine = FakeMachine()
    machine.add("old", 12, last_used_at=40.0)

    plan = machine.plan.foresee("new", 10 * GIB)

    assert plan == LoadPlan(
        verdict="fits",
        needed=10 * GIB,
        free=7 * GIB,
        models=(Affected(model_id="old", idle_seconds=60.0),),
    )
    assert machine.names == ["old"]


def test_a_plan_says_whose_answers_would_be_waited_for():
    machine = FakeMachine()
    machine.add("busy", 12, is_busy=True)

    plan = machine.plan.foresee("new", 10 * GIB)

    assert plan.verdict == "waits"
    assert plan.models == (Affected(model_id="busy", users=("ada",)),)


def test_a_plan_for_a_model_that_is_loaded_counts_its_own_memory_as_free():
    machine = FakeMachine()
    machine.add("same", 12)

    assert machine.plan.foresee("same", 10 * GIB).models == ()


@pytest.mark.parametrize(("has_gpu", "verdict"), [(False, "never"), (True, "fits")])
def test_a_plan_for_what_is_too_big(has_gpu, verdict):
    assert FakeMachine(has_gpu=has_gpu).plan.foresee("huge", 40 * GIB).verdict == verdict


async def test_with_a_gpu_a_model_that_looks_too_big_is_tried():
    await _load(FakeMachine(has_gpu=True), "huge", 40)


async def test_a_load_that_does_not_fit_beside_another_waits_until_that_one_is_idle():
    machine = FakeMachine()
    async with machine.plan.reserve("first", 12 * GIB):
        first = machine.add("first", 1, is_busy=True)
        second = asyncio.create_task(_load(machine, "second", 12))
        await asyncio.sleep(0)
    first.is_busy, first.size = False, 12 * GIB
    machine.plan.look_again()
    await second

    assert machine.names == []


async def test_a_promise_counts_before_its_process_is_there():
    machine = FakeMachine()
    async with machine.plan.reserve("first", 12 * GIB):
        second = asyncio.create_task(_load(machine, "second", 12))
        done, _ = await asyncio.wait({second}, timeout=0.02)
        assert done == set()

    await second


async def test_what_a_load_was_promised_is_free_again_when_it_failed():
    machine = FakeMachine()
    with pytest.raises(RuntimeError):
        async with machine.plan.reserve("first", 12 * GIB):
            raise RuntimeError

    await _load(machine, "second", 12)


async def test_a_load_that_was_given_up_while_it_waited_lets_the_next_one_in():
    machine = FakeMachine()
    machine.add("busy", 12, is_busy=True)
    waiting = asyncio.create_task(_load(machine, "big", 10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    await _load(machine, "small", 2)


async def _load(machine: FakeMachine, model_id: str, gib: int) -> None:
    async with machine.plan.reserve(model_id, gib * GIB):
        pass
