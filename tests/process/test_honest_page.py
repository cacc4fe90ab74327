"""kill -9 of runners, at random: what the models page shows is true, or was two seconds ago."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil
import pytest

from inference.client import InferenceClient
from tests.e2e.product import Product
from tests.made_models import write_random_model
from tests.process.open_page import OpenPage, Shown

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

NAMES = ("one", "two", "three")
NUM_KILLS = int(os.environ.get("MINERVA_TEST_KILLS", "12"))
LIMIT_SECONDS = 2.0
SAMPLE_SECONDS = 0.03


@dataclass(frozen=True)
class Moment:
    """`alive`: models whose file a living process has in memory. `states`: what the service says."""

    at: float
    alive: frozenset[str]
    states: dict[str, str]

    def agrees(self, name: str, row: Shown) -> bool:
        """A model that loads or unloads may have its file in memory or not yet, or no longer."""
        if row.state != self.states.get(row.pk, "unloaded"):
            return False
        if row.state in ("loading", "unloading"):
            return True
        return (name in self.alive) == (row.state == "ready")


class Reality:
    """Looks at the processes and at the service from moment to moment."""

    def __init__(self, product: Product) -> None:
        self.moments: list[Moment] = []
        self._service = psutil.Process(product.process.pid)
        self._client = InferenceClient(product.data_dir / "run" / "inference.sock")
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join()

    def runners(self) -> dict[str, psutil.Process]:
        found: dict[str, psutil.Process] = {}
        for process in self._service.children(recursive=True):
            try:
                maps = Path(f"/proc/{process.pid}/maps").read_text()
            except OSError:
                continue
            found |= {name: process for name in NAMES if f"/{name}.gguf" in maps}
        return found

    def disagreed_for(self, name: str, row: Shown, index: int) -> float:
        """For how long that has not been so at this moment; 0.0: it is so."""
        now = self.moments[index].at
        for moment in reversed(self.moments[: index + 1]):
            if moment.agrees(name, row):
                return now - moment.at
        return now - self.moments[0].at

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            models = asyncio.run(self._client.status()).models
            states = {model.model_id: model.state.value for model in models}
            self.moments.append(Moment(time.monotonic(), frozenset(self.runners()), states))


@dataclass
class Someone:
    """Has the page open, presses its buttons, and kills what runs."""

    page: OpenPage
    reality: Reality
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    looks_at: float = 0.0

    def go_on(self) -> None:
        while self.done["killed"] < NUM_KILLS:
            self._act(self.chance.choice(NAMES))
            self.wait(self.chance.uniform(0.1, 2.5))
        self.wait(LIMIT_SECONDS)

    def _act(self, name: str) -> None:
        state, runners = self.page.rows[name].state, self.reality.runners()
        if name in runners and self.chance.random() < 0.5:
            runners[name].kill()
            self.done["killed"] += 1
        elif state == "unloaded" or (state == "failed" and self.chance.random() < 0.5):
            self._press(name, "load")
        elif state == "failed" or (state == "ready" and self.chance.random() < 0.2):
            # Of a failed one, this ends the pause after failures that came too often.
            self._press(name, "unload")

    def _press(self, name: str, button: str) -> None:
        self.page.press(name, button)
        self.done[button] += 1

    def wait(self, seconds: float) -> None:
        """The page asks once a second meanwhile, as in a browser."""
        ends_at = time.monotonic() + seconds
        while (now := time.monotonic()) < ends_at:
            if now >= self.looks_at:
                self.looks_at = now + 1.0
                self.page.look()
            time.sleep(max(0.0, min(self.looks_at, ends_at) - time.monotonic()))


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    product = Product(tmp_path, MINERVA_GPU_LAYERS="0")
    for number, name in enumerate(NAMES):
        write_random_model(product.models_dir / f"{name}.gguf", seed=number, name=name)
    product.start()
    try:
        yield product
    finally:
        product.stop()
        print(product.output)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")
def test_the_page_is_at_most_two_seconds_behind_the_processes(product):
    page = OpenPage(product.url)
    page.sign_up(product.setup_url)
    page.open()
    with Reality(product) as reality:
        someone = Someone(page, reality, random.Random(1))
        someone.go_on()
    delays = sorted(_delays(page, reality), reverse=True)
    print(f"{len(delays)} samples, the latest {delays[:4]}", dict(someone.done))

    assert [one for one in delays if one[0] > LIMIT_SECONDS] == []
    assert someone.done["killed"] == NUM_KILLS
    assert _states_of(page) >= {"unloaded", "loading", "ready", "failed"}


def _delays(page: OpenPage, reality: Reality) -> Iterator[tuple[float, str]]:
    """Of every moment and model: how long ago it was so as the page shows it."""
    history = list(page.history)
    for index, moment in enumerate(reality.moments):
        while len(history) > 1 and history[1][0] <= moment.at:
            history.pop(0)
        for name in NAMES:
            row = history[0][1][name]
            delay = reality.disagreed_for(name, row, index)
            yield round(delay, 2), f"{name}: {row.state} at {moment.at:.2f}"


def _states_of(page: OpenPage) -> set[str]:
    return {rows[name].state for _, rows in page.history for name in NAMES}
