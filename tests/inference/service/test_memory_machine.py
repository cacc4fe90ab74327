"""Several models with room for one, whatever happens in whatever order: nobody starves, no work is
broken off, and the memory plan keeps to its budget."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from inference.errors import Overloaded
from inference.service.generation import Generation
from inference.service.generations import MAX_WAITING
from inference.service.memory_plan import GIB
from inference.service.service import InferenceService
from inference.service.turn import TURN_SECONDS
from inference.types import TERMINAL, Event, Failed, Finished, GenerationRequest
from tests.inference.service.fake_machine import Behaviour, FakeMachine, service_on
from tests.inference.service.fake_time import run_in_fake_time
from tests.inference.service.fake_world import recorded
from tests.inference.service.made_requests import request_of

USERS = ("ada", "grace", "linus", "ken")
# One model is wanted all the time, by more than it can answer, and the others now and then.
MOST_OPEN = {"a": 9, "b": 2, "c": 1}
MAX_SEQUENCES = 2
LONGEST_ANSWER = 8.0
LOADS = (0.5, 2.0, 5.0, 5.0)
SLOW_LOAD = 40.0
IDLE_SECONDS = 60
# Loads, unloads, crashes and pauses in each hundred steps. Without any, nothing ends the steady
# traffic on one model.
MISHAPS = (0.0, 0.005, 0.05)
ENDS = ("says", "crashes", *[""] * 20)
# What is told to people who waited in vain.
GAVE_UP = ("answering", "without its turn")


@dataclass
class Asked:
    model_id: str
    at: float
    generation: Generation
    events: list[Event]
    seconds: float = -1.0


@dataclass
class Traffic:
    """Chooses what happens next. `unloads`: by people, who may break off what they want."""

    machine: FakeMachine
    service: InferenceService
    random: random.Random
    share_of_mishaps: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    longest: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    unloads: set[str] = field(default_factory=set)
    number: int = 0

    def behaviour(self, model_id: str) -> Behaviour:
        return Behaviour(
            load_seconds=self.random.choice(
                (*LOADS, SLOW_LOAD) if self.share_of_mishaps else LOADS
            ),
            ends=self.random.choice(ENDS) if self.share_of_mishaps else "",
            answer_seconds=lambda: self.random.uniform(0.2, LONGEST_ANSWER),
        )

    @property
    def longest_wait(self) -> float:
        """Three models take turns; what still runs when one ends comes first, then the next load, with a
        second try for one that failed. So many requests as are open at most need two turns."""
        load = 2 * SLOW_LOAD if self.share_of_mishaps else max(LOADS)
        turn = max(TURN_SECONDS, SLOW_LOAD if self.share_of_mishaps else 0.0)
        return 2 * len(self.machine.sizes) * (turn + LONGEST_ANSWER + load)

    async def step(self) -> None:
        usual = (self.stop, *[self.request, self.pass_time] * 10)
        mishaps = (self.load, self.unload, self.crash, self.idle)
        rare = self.random.random() < self.share_of_mishaps
        await self.random.choice(mishaps if rare else usual)()
        await asyncio.sleep(0)
        self.look()

    async def request(self) -> None:
        model_id = self.random.choices(list(self.machine.sizes), (8, 3, 1))[0]
        if sum(one.model_id == model_id for one in self.asked) >= MOST_OPEN[model_id]:
            return
        self.number += 1
        user = self.random.choice(USERS)
        request = request_of(str(self.number), self.machine.spec(model_id), user=user)
        self.asked.append(self.ask(request))

    def ask(self, request: GenerationRequest) -> Asked:
        self.service.generate(request)
        generation = self.service._generations.find(request.generation_id)
        now = asyncio.get_running_loop().time()
        return Asked(request.model.model_id, now, generation, recorded(generation))

    async def stop(self) -> None:
        if self.asked:
            self.service.stop(self.random.choice(self.asked).generation.id)

    async def load(self) -> None:
        self.service.load(self.machine.spec(self.random.choice(list(self.machine.sizes))))

    async def unload(self) -> None:
        model_id = self.random.choice(list(self.machine.sizes))
        self.unloads.add(model_id)
        self.service.unload(model_id)

    async def crash(self) -> None:
        living = [runner for runner in self.machine.runners if runner.is_alive]
        if living:
            self.random.choice(living).die()

    async def pass_time(self) -> None:
        await asyncio.sleep(self.random.uniform(0.05, 1.5))

    async def idle(self) -> None:
        await asyncio.sleep(2 * IDLE_SECONDS)

    # -- what is always true --------------------------------------------------------------------

    def look(self) -> None:
        self.the_plan_keeps_to_its_budget()
        self.nothing_is_broken_off_but_by_people()
        self.no_model_has_two_runners()
        self.everyone_is_served_in_time()

    def the_plan_keeps_to_its_budget(self) -> None:
        promised = dict(self.service._memory._promised)
        for runner in self.machine.runners:
            if runner.resident:
                held = promised.get(runner.model_id, 0)
                promised[runner.model_id] = max(held, runner.resident)
        assert sum(promised.values()) <= self.machine.budget, promised

    def nothing_is_broken_off_but_by_people(self) -> None:
        assert set(self.machine.broken_off) <= self.unloads
        if not self.machine.broken_off:
            return
        self.machine.broken_off.clear()
        self.unloads.clear()

    def no_model_has_two_runners(self) -> None:
        assert all(len(self.machine.living(model_id)) <= 1 for model_id in self.machine.sizes)

    def everyone_is_served_in_time(self) -> None:
        now = asyncio.get_running_loop().time()
        for one in self.asked:
            self.longest = max(self.longest, now - one.at)
            if one.generation.has_ended:
                self.note_end(one)
        self.asked = [one for one in self.asked if not one.generation.has_ended]
        assert self.longest <= self.longest_wait

    def note_end(self, one: Asked) -> None:
        assert [event for event in one.events if isinstance(event, TERMINAL)] == one.events[-1:]
        match one.events[-1]:
            case Failed(error=error):
                self.ends[error.code] += 1
                assert not any(words in error.message for words in GAVE_UP), error.message
            case Finished(reason=reason):
                self.ends[reason] += 1
                self.ends[f"answered by {one.model_id}"] += reason == "stop"


async def _drive(seed: int, num_steps: int, sizes: dict[str, int]) -> Traffic:
    machine = FakeMachine(sizes, room=10 * GIB)
    with service_on(
        machine, max_sequences=MAX_SEQUENCES, idle_unload_seconds=IDLE_SECONDS
    ) as service:
        traffic = Traffic(machine, service, random.Random(seed), MISHAPS[seed % len(MISHAPS)])
        machine.behaviour = traffic.behaviour
        for _ in range(num_steps):
            await traffic.step()
        async with asyncio.timeout(60):
            await service.shut_down()
        traffic.unloads.update(sizes)
        traffic.look()
    assert traffic.asked == []
    assert not any(runner.is_alive or runner.resident for runner in machine.runners)
    return traffic


ONE = {"a": 6 * GIB, "b": 7 * GIB, "c": 8 * GIB}
SOMETIMES_TWO = {"a": 3 * GIB, "b": 6 * GIB, "c": 5 * GIB}


@pytest.mark.parametrize("sizes", [ONE, SOMETIMES_TWO], ids=["room for one", "sometimes for two"])
@pytest.mark.parametrize("seed", range(6))
def test_everyone_is_served_and_the_budget_is_kept(seed: int, sizes: dict[str, int]):
    """24,000 steps in all."""
    traffic = run_in_fake_time(_drive(seed, 2000, sizes))

    assert all(traffic.ends[f"answered by {model_id}"] >= 4 for model_id in sizes)


async def _steady_traffic() -> tuple[float, FakeMachine]:
    """How long one request for `b` takes while `a` has always one more waiting than it can answer."""
    machine = FakeMachine(ONE, room=10 * GIB)
    with service_on(machine, max_sequences=1) as service:
        traffic = Traffic(machine, service, random.Random(0))
        clock = asyncio.get_running_loop().time
        number = itertools.count()
        others = [traffic.ask(_request(machine, "a", next(number))) for _ in range(2)]
        await asyncio.sleep(30)
        one = traffic.ask(_request(machine, "b", 1000))
        while not one.generation.has_ended and clock() < one.at + 1000:
            others = [other for other in others if not other.generation.has_ended]
            if len(others) < 2:
                others.append(traffic.ask(_request(machine, "a", next(number))))
            await asyncio.sleep(0.1)
        assert isinstance(one.events[-1], Finished)
        waited = clock() - one.at
        await asyncio.sleep(60)
        assert all(isinstance(other.events[-1], Finished) for other in others)
        await service.shut_down()
    return waited, machine


def test_steady_traffic_on_one_model_does_not_keep_another_out():
    """A turn of 20 s, an answer of 2 s that is not broken off, a load of 4 s, an answer of 2 s."""
    waited, machine = run_in_fake_time(_steady_traffic())

    assert waited == pytest.approx(28, abs=3)
    assert machine.broken_off == []


async def _rush() -> tuple[int, Counter[str]]:
    machine = FakeMachine(ONE, room=10 * GIB)
    ends: Counter[str] = Counter()
    with service_on(machine, max_sequences=2) as service:
        traffic = Traffic(machine, service, random.Random(0))
        asked = []
        for number in range(200):
            try:
                asked.append(traffic.ask(_request(machine, "a", number)))
            except Overloaded:
                ends["refused"] += 1
        await asyncio.sleep(600)
        ends.update(type(one.events[-1]).__name__ for one in asked)
        await service.shut_down()
    return machine.num_starts["a"], ends


def test_two_hundred_requests_for_one_unloaded_model_start_it_once():
    """As many wait as may; the others are told so at once."""
    num_starts, ends = run_in_fake_time(_rush())

    assert num_starts == 1
    assert ends == {"Finished": MAX_WAITING, "refused": 200 - MAX_WAITING}


def _request(machine: FakeMachine, model_id: str, number: int) -> GenerationRequest:
    return request_of(str(number), machine.spec(model_id), user=f"user {number}")
