"""Runners are killed at random, and models loaded, unloaded and asked: what the open pages show is true,
or was until the look before the last. They look each second, so this is what two seconds are in looks,
however slow the machine is."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from inference.types import ChatMessage, GenerationRequest, ModelSpec, SamplingParams
from tests.e2e.product import Product, wait_for
from tests.made_models import write_random_model
from tests.process.open_page import LIST, Browser, ListPage, StatusPage
from tests.process.reality import Reality

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

NAMES = ("one", "two", "three")
NUM_KILLS = int(os.environ.get("MINERVA_TEST_KILLS", "10"))
SEED = int(os.environ.get("MINERVA_TEST_SEED", "0")) or random.randrange(1, 10**6)
LOOK_SECONDS = 1.0


@dataclass
class Somebody:
    """Has the list open and the page of a model, presses buttons, asks, and kills what runs."""

    page: ListPage
    status: StatusPage
    watched: str
    folder: Path
    reality: Reality
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    num_looks: int = 0
    worst: float = 0.0
    _looked_at: float = 0.0
    _looks_at: float = 0.0

    def go_on(self) -> None:
        while self.done["kill"] < NUM_KILLS or self.done["kill_loading"] < 2:
            self._act(self.chance.choice(NAMES))
            self._wait(self.chance.uniform(0.0, 1.5))
        self.look()

    def look(self) -> None:
        since, self._looked_at = self._looked_at, self.reality.note().at
        before = self._shown() if self.num_looks else []
        self.num_looks += 1
        self.page.look()
        self.status.look()
        now = self.reality.note().at
        self.worst = max(self.worst, *(now - self.reality.last_so(*one) for one in before), 0.0)
        for name, state in self._shown():
            self.seen.add(state)
            assert self.reality.last_so(name, state) >= since, self._told(name, state, since)

    def _shown(self) -> list[tuple[str, str]]:
        """What is claimed: a page that had no answer within a second says that it does not know."""
        rows = [(name, self.page.rows[name].state) for name in NAMES]
        shown = [*rows, (self.watched, self.status.state)]
        claims = [(name, state) for name, state in shown if state != "unknown"]
        self.done["unknown"] += len(shown) - len(claims)
        return claims

    def _told(self, name: str, state: str, since: float) -> str:
        moments = [one for one in self.reality.moments if one.at >= since]
        was = [(f"{one.at - since:.2f}", one.states[name], name in one.alive) for one in moments]
        return f"{name} is shown as {state}; seed {SEED}, after {dict(self.done)}; it was {was}"

    def _wait(self, seconds: float) -> None:
        """The pages look once a second meanwhile, as in a browser."""
        ends_at = time.monotonic() + seconds
        while (now := time.monotonic()) < ends_at:
            if now >= self._looks_at:
                self._looks_at = now + LOOK_SECONDS
                self.look()
            time.sleep(max(0.0, min(self._looks_at, ends_at) - time.monotonic()))

    def _act(self, name: str) -> None:
        """What comes to rest between two acts is seen before the next one."""
        state = self.reality.note().states[name]
        choices = {
            "unloaded": (self.load, self.ask, self.kill_loading),
            "failed": (self.load, self.ask, self.unload),
            "loading": (self.kill, self.unload),
            "ready": (self.kill, self.kill, self.ask, self.unload),
        }
        act = self.chance.choice(choices.get(state, (self.ask,)))
        act(name)
        self.done[act.__name__] += 1
        self.reality.note()

    def load(self, name: str) -> None:
        self.page.press(name, "load")

    def unload(self, name: str) -> None:
        """Of one that failed too often, this also ends the pause; no button is shown for that."""
        self.page.press(name, "unload")

    def kill(self, name: str) -> None:
        if runner := self.reality.runner(name):
            runner.kill()

    def kill_loading(self, name: str) -> None:
        self.load(name)

        def has_process() -> bool:
            moment = self.reality.note()
            return moment.states[name] != "loading" or name in moment.alive

        wait_for(has_process, what=f"a process of {name}")
        self.kill(name)

    def ask(self, name: str) -> None:
        path = self.folder / f"{name}.gguf"
        spec = ModelSpec(model_id=self.page.rows[name].pk, name=name, path=str(path))
        request = GenerationRequest(
            generation_id=f"asked-{self.done.total()}",
            model=spec,
            messages=(ChatMessage("user", "Hello"),),
            sampling=SamplingParams(max_tokens=64),
        )
        asyncio.run(self.reality.client.generate(request))


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    product = Product(tmp_path, MINERVA_GPU_LAYERS="0", MINERVA_THREADS="1")
    for number, name in enumerate(NAMES):
        write_random_model(product.models_dir / f"{name}.gguf", seed=number, name=name)
    product.start()
    try:
        yield product
    finally:
        product.stop()
        print(product.output)


def test_open_pages_show_what_is_true_while_runners_are_killed(product):
    browser = Browser(product.url)
    browser.set_up(product.setup_url)
    page = ListPage(browser)
    page.open()
    chance = random.Random(SEED)
    watched = chance.choice(NAMES)
    status = StatusPage(browser, f"{LIST}{page.rows[watched].pk}/status/")
    names = {page.rows[name].pk: name for name in NAMES}

    with Reality(product.data_dir / "run" / "inference.sock", names) as reality:
        somebody = Somebody(page, status, watched, product.models_dir, reality, chance)
        somebody.go_on()
    told = f"{somebody.num_looks} looks, {page.num_lists} lists, {dict(somebody.done)}"
    print(f"seed {SEED}: {told}; the latest was {somebody.worst:.2f} s behind")

    assert somebody.seen >= {"unloaded", "loading", "ready", "failed"}
