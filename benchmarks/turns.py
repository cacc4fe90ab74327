"""Three models with room for one, asked by many for minutes: does each request end, and in time?

    python -m benchmarks.turns --minutes 10

All is real: the service behind its socket, the runners, the models (of random weights) and the time. Only
the machine is told to be smaller than it is. One model is wanted by more than it can answer at once, the
others now and then; some requests are cancelled. The runners together may never hold more than there is.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from inference.client import InferenceClient
from inference.hardware.memory import Memory
from inference.memory_record import MemoryRecord
from inference.messages import LoadSettings
from inference.service.memory_need import need_of
from inference.service.memory_plan import MemoryPlan
from inference.service.server import Server
from inference.service.service import InferenceService
from inference.service.settings import ServiceSettings
from inference.service.turn import TURN_SECONDS
from inference.types import (
    ChatMessage,
    Delta,
    Failed,
    Finished,
    GenerationRequest,
    ModelSpec,
    SamplingParams,
)
from tests.made_models import write_random_model

CLIENTS = {"busy": 9, "at times": 2, "seldom": 1}
PAUSES = {"busy": 0.0, "at times": 3.0, "seldom": 10.0}
MAX_SEQUENCES = 4
MAX_TOKENS = 48
SHARE_CANCELLED = 0.2
REPORT_SECONDS = 30.0
SAMPLE_SECONDS = 0.1
# Of what one model needs: not enough for two.
ROOM = 1.5


class SmallMachine:
    """Has room for so many bytes of models, and nothing else on it."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.most_held = 0
        self.most_runners = 0

    def probe(self) -> Memory:
        """Pages of files count as available, as with the kernel. A tenth is kept free by the plan."""
        total = self.room * 10 // 9
        private = sum(one.rss - one.shared for one in self._runners())
        return Memory(total=total, available=total - private, limited=False)

    async def watch(self) -> None:
        while True:
            held = [one.rss for one in self._runners()]
            self.most_held = max(self.most_held, sum(held))
            self.most_runners = max(self.most_runners, len(held))
            await asyncio.sleep(SAMPLE_SECONDS)

    def _runners(self) -> Iterator[psutil._ntuples.pmem]:
        for process in psutil.Process().children():
            try:
                yield process.memory_info()
            except psutil.Error:
                continue


@dataclass
class Traffic:
    client: InferenceClient
    folder: Path
    random: random.Random
    machine: SmallMachine
    waits: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ends: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    loaded: Counter[str] = field(default_factory=Counter)
    load_seconds: float = 0.0

    async def run(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        watching = [asyncio.create_task(one) for one in (self.machine.watch(), self._watch())]
        asking = [self._go_on(name) for name, number in CLIENTS.items() for _ in range(number)]
        await asyncio.gather(*asking)
        for task in watching:
            task.cancel()

    async def _go_on(self, name: str) -> None:
        while time.monotonic() < self._ends_at:
            await self._ask(name)
            await asyncio.sleep(self.random.uniform(0, 2 * PAUSES[name]))

    async def _ask(self, name: str) -> None:
        generation_id = f"{name} {self.random.getrandbits(64):x}"
        max_tokens = self.random.randint(1, MAX_TOKENS)
        await self.client.generate(self._request(name, generation_id, max_tokens))
        asked_at = began_at = time.monotonic()
        is_cancelled = self.random.random() < SHARE_CANCELLED
        stops_at = self.random.randint(1, max_tokens) if is_cancelled else 0
        num_deltas = 0
        async for logged in self.client.attach(generation_id):
            if isinstance(logged.event, Delta):
                began_at = began_at if num_deltas else time.monotonic()
                num_deltas += 1
                if num_deltas == stops_at:
                    await self.client.stop(generation_id)
            elif isinstance(logged.event, Finished | Failed):
                self._note(name, logged.event, began_at - asked_at, time.monotonic() - began_at)
        await self.client.forget(generation_id)

    def _request(self, name: str, generation_id: str, max_tokens: int) -> GenerationRequest:
        words = " ".join(["word"] * self.random.randint(1, 100))
        return GenerationRequest(
            generation_id=generation_id,
            model=ModelSpec(model_id=name, name=name, path=str(self.folder / f"{name}.gguf")),
            messages=(ChatMessage("user", words),),
            sampling=SamplingParams(max_tokens=max_tokens),
            user=self.random.choice(["ada", "grace", "linus"]),
        )

    def _note(self, name: str, event: Finished | Failed, wait: float, seconds: float) -> None:
        self.waits[name].append(wait)
        self.longest = max(self.longest, seconds)
        if isinstance(event, Failed):
            self.ends[f"failed: {event.error.message}"] += 1
        else:
            self.ends[event.reason.value] += 1

    async def _watch(self) -> None:
        """How often each was loaded, and how long that took at most."""
        seen: set[int] = set()
        reports_at = time.monotonic()
        while True:
            for model in (await self.client.status()).models:
                if model.loaded_at and model.runner_pid not in seen:
                    seen.add(model.runner_pid)
                    self.loaded[model.model_id] += 1
                    self.load_seconds = max(self.load_seconds, model.load_seconds)
            if time.monotonic() >= reports_at:
                reports_at += REPORT_SECONDS
                print(f"  loads {dict(self.loaded)}, ends {dict(self.ends)}", flush=True)
            await asyncio.sleep(SAMPLE_SECONDS)

    @property
    def longest_wait(self) -> float:
        """So many requests as are open at most need two turns, and three models take turns."""
        turn = max(TURN_SECONDS, self.load_seconds)
        return 2 * len(CLIENTS) * (turn + self.longest + self.load_seconds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        traffic = asyncio.run(_run(Path(folder), 60 * options.minutes, random.Random(options.seed)))
    sys.exit(_report(traffic))


async def _run(folder: Path, seconds: float, generator: random.Random) -> Traffic:
    for seed, name in enumerate(CLIENTS):
        write_random_model(folder / f"{name}.gguf", layers=6, width=768, seed=seed, printable=True)
    settings = ServiceSettings(folder / "s.sock", 2048, MAX_SEQUENCES, gpu_layers=0)
    service = InferenceService(settings)
    machine = SmallMachine(int(ROOM * _need(folder / "busy.gguf", settings)))
    # Nobody may set how much memory there is, so nothing but this replaces where it is looked up.
    service._memory = MemoryPlan(service._memory._tenants, has_gpu=False, probe=machine.probe)
    traffic = Traffic(InferenceClient(settings.socket, timeout=60), folder, generator, machine)
    async with Server(service, settings.socket):
        await traffic.run(seconds)
        await service.shut_down()
    return traffic


def _need(path: Path, settings: ServiceSettings) -> int:
    load = LoadSettings(
        context_window=settings.context_window,
        max_sequences=settings.max_sequences,
        prompt_cache_bytes=settings.prompt_cache_mib * 1024**2,
    )
    return need_of(str(path), load, MemoryRecord(None)).total


def _report(traffic: Traffic) -> bool:
    """True if something was wrong."""
    machine, worst = traffic.machine, 0.0
    for name, waits in traffic.waits.items():
        worst = max(worst, *waits)
        print(
            f"{name}: {len(waits)} answers of {CLIENTS[name]} clients, loaded {traffic.loaded[name]} "
            f"times, first token after {sorted(waits)[len(waits) // 2]:.1f} s, {max(waits):.1f} s at most"
        )
    print(f"ends: {dict(traffic.ends)}; bound of a wait {traffic.longest_wait:.0f} s")
    print(
        f"held at most {machine.most_held / 1e6:.0f} of {machine.room / 1e6:.0f} MB, "
        f"{machine.most_runners} runners at once; loading took {traffic.load_seconds:.1f} s at most"
    )
    is_failed = any(end.startswith("failed") for end in traffic.ends)
    is_starved = set(traffic.waits) != set(CLIENTS) or worst > traffic.longest_wait
    return is_failed or is_starved or machine.most_held > machine.room


if __name__ == "__main__":
    main()
