"""Turns and waiting times as the real service and runner keep and tell them."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from inference.types import Loading, Queued, SamplingParams
from tests.made_models import write_scripted_model
from tests.process.service_process import ServiceProcess, request_to

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

NUM_REQUESTS = 50
NUM_USERS = 12


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a few hundred tokens a second."""
    path = tmp_path_factory.mktemp("models") / "endless.gguf"
    return write_scripted_model(path, "All work and no play. ", loop=True, layers=4, width=256)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: that of a unix socket may not be long."""
    with tempfile.TemporaryDirectory(prefix="minerva-") as name:
        yield Path(name)


@dataclass
class Turn:
    """`told_at`, `expected`: when it first was told how long it would wait, and what."""

    user: str
    told_at: float = 0.0
    expected: float | None = None
    started_at: float = 0.0

    async def post(self, service: ServiceProcess, model: Path, name: str, tokens: int) -> None:
        request = msgspec.structs.replace(
            request_to(model, name),
            user=self.user,
            sampling=SamplingParams(temperature=0, seed=1, max_tokens=tokens),
        )
        await service.client.generate(request)

    async def follow(self, service: ServiceProcess, name: str) -> None:
        """To its end."""
        async for logged in service.client.attach(name):
            match logged.event:
                case Queued(expected_seconds=expected):
                    if expected is not None and self.expected is None:
                        self.told_at, self.expected = time.monotonic(), expected
                case Loading():
                    pass
                case _:
                    self.started_at = self.started_at or time.monotonic()

    @property
    def error(self) -> float | None:
        """As a part of what it really waited."""
        waited = self.started_at - self.told_at
        return None if self.expected is None else abs(self.expected - waited) / waited


async def ended(service: ServiceProcess, model: Path, turn: Turn, name: str, tokens: int) -> Turn:
    await turn.post(service, model, name, tokens)
    await turn.follow(service, name)
    return turn


@pytest.mark.parametrize("num_places", [1, 3])
async def test_the_wait_is_told_within_half_of_it_in_the_median(folder, endless, num_places):
    """Answers of 20 to 300 tokens for twelve people; two requests come for each answer that ends."""
    chance = random.Random(11)
    turns: list[Turn] = []
    with ServiceProcess(folder, "--max-sequences", str(num_places)) as service:
        # So that it is known how long answers take here, as many at a time as later.
        lengths = [chance.randint(20, 300) for _ in range(9)]
        for first in range(0, len(lengths), num_places):
            at_once = enumerate(lengths[first : first + num_places], start=first)
            await asyncio.gather(
                *(ended(service, endless, Turn("before"), f"before-{n}", m) for n, m in at_once)
            )
        running: set[asyncio.Task[Turn]] = set()
        num_posted = 0
        while running or num_posted < NUM_REQUESTS:
            for _ in range(min(2 if running else num_places + 8, NUM_REQUESTS - num_posted)):
                turn, name = Turn(str(chance.randrange(NUM_USERS))), f"request-{num_posted}"
                work = ended(service, endless, turn, name, chance.randint(20, 300))
                running.add(asyncio.create_task(work))
                num_posted += 1
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            turns += [one.result() for one in done]

    errors = [turn.error for turn in turns if turn.error is not None]
    print(f"{len(errors)} waits, off by {statistics.median(errors):.0%} of them in the median")
    assert len(errors) > NUM_REQUESTS / 2
    assert statistics.median(errors) < 0.5


async def test_who_comes_after_twenty_of_another_waits_for_one_of_them_at_most(folder, endless):
    with ServiceProcess(folder, "--max-sequences", "1") as service:
        firsts = [Turn("first") for _ in range(20)]
        names = [f"first-{number}" for number in range(20)]
        for turn, name in zip(firsts, names, strict=True):
            await turn.post(service, endless, name, 150)
        following = [
            asyncio.create_task(turn.follow(service, name))
            for turn, name in zip(firsts, names, strict=True)
        ]
        await service.until_it_writes("first-0")

        second = Turn("second")
        await second.post(service, endless, "second", 20)
        posted_at = time.monotonic()
        await second.follow(service, "second")
        await asyncio.gather(*following)

    between = [turn for turn in firsts if posted_at < turn.started_at < second.started_at]
    assert len(between) <= 1
    assert sum(turn.started_at > second.started_at for turn in firsts) >= 18
