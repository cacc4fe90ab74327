"""Twenty clients on one engine with a real model, for minutes: do all texts stay right?

    python -m benchmarks.soak --minutes 10

Some share a system prompt, some go on with a chat, some ask what is refused, some cancel at any
moment, some send long prompts. A text is right if it is the one that its prompt has alone. In the
end nothing may be left over: no sequence, no cell, no memory.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from benchmarks.serving.server import resident_bytes
from inference.backends.llama.loading import load_model
from inference.backends.llama.model import LlamaModel
from inference.engine.engine import Engine
from inference.engine.ngrams import NGramDrafter
from inference.engine.posts import Announced, Prepared, Refused
from inference.engine.sequence import Prompt, Sequence
from inference.errors import ContextWindowExceeded
from inference.messages import LoadSettings
from inference.types import (
    TERMINAL,
    Delta,
    Event,
    Finished,
    FinishReason,
    ModelSpec,
    SamplingParams,
)
from tests.inference.backends.known_prompts import Known, KnownPrompts
from tests.made_models import write_random_model

CLIENTS = 20
SHELF_BYTES = 16 * 1024 * 1024
NUM_TOKENS = 12
GREEDY = SamplingParams(temperature=0.0, max_tokens=NUM_TOKENS)
SETTLE_SECONDS = 60.0
# What the allocator keeps differs by this much from one moment to another.
SLACK_BYTES = 20 * 10**6


@dataclass
class Client:
    """One who asks again as soon as there is an answer, or none is wanted any more."""

    name: str = ""
    known: Known | None = None
    text: str = ""
    cancels_after: int | None = None
    num_deltas: int = 0


@dataclass
class Soak:
    model: LlamaModel
    pool: list[Known]
    random: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._events: SimpleQueue[tuple[str, Event]] = SimpleQueue()
        self._clients: dict[str, Client] = {}
        self.engine = Engine(
            self.model,
            emit=lambda *event: self._events.put(event),
            clock=time.monotonic,
            shelf_bytes=SHELF_BYTES,
            drafter=NGramDrafter(),
        )
        threading.Thread(target=self.engine.run, daemon=True).start()

    def run(self, seconds: float) -> None:
        for _ in range(CLIENTS):
            self._ask(Client())
        ends_at = time.monotonic() + seconds
        reports_at = time.monotonic()
        while self._clients:
            self._take(goes_on=time.monotonic() < ends_at)
            if time.monotonic() >= reports_at:
                reports_at += 60
                print(
                    f"  {resident_bytes(os.getpid()) / 1e6:6.0f} MB  {dict(self.counts)}",
                    flush=True,
                )

    def _ask(self, client: Client) -> None:
        self.counts["asked"] += 1
        client.name = str(self.counts["asked"])
        client.known = self.random.choice(self.pool)
        client.text, client.num_deltas = "", 0
        client.cancels_after = self.random.choice([None, None, self.random.randint(0, NUM_TOKENS)])
        self._clients[client.name] = client
        user = self.random.choice(["ada", "grace", "linus"])
        self.engine.post(Announced(Sequence(client.name, time.monotonic(), GREEDY, user)))
        self._prepare(client, client.known)
        if client.cancels_after == 0:
            self.engine.cancel(client.name)

    def _prepare(self, client: Client, known: Known) -> None:
        if self.random.random() < 0.05:
            client.known = None
            error = ContextWindowExceeded.of(prompt_tokens=10**6, context_window=2048)
            self.engine.post(Refused(client.name, error))
        else:
            self.engine.post(
                Prepared(client.name, Prompt(array("i", known.tokens), known.num_public))
            )

    def _take(self, *, goes_on: bool) -> None:
        try:
            name, event = self._events.get(timeout=SETTLE_SECONDS)
        except Empty:
            self.wrong.append("the engine stands still")
            self._clients.clear()
            return
        client = self._clients[name]
        if isinstance(event, Delta):
            client.text += event.text
            client.num_deltas += 1
            if client.num_deltas == client.cancels_after:
                self.engine.cancel(name)
        elif isinstance(event, TERMINAL):
            del self._clients[name]
            self._check(client, event)
            if goes_on:
                self._ask(client)

    def _check(self, client: Client, event: Event) -> None:
        if not isinstance(event, Finished) or client.known is None:
            self.counts["refused" if client.known is None else "failed"] += 1
            return
        self.counts[event.reason.value] += 1
        is_whole = event.reason is FinishReason.LENGTH
        right = client.known.text
        if client.text != right if is_whole else not right.startswith(client.text):
            self.wrong.append(f"{client.text!r} instead of {right!r}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write_random_model(Path(folder) / "soak.gguf", layers=4, width=128, printable=True)
        spec = ModelSpec(model_id="soak", name="soak", path=str(path))
        model = load_model(spec, LoadSettings(gpu_layers=0), lambda _: None)
    generator = random.Random(options.seed)
    prompts = KnownPrompts(
        model,
        num_tokens=NUM_TOKENS,
        lengths=(10, 30, 100, 600),
        longest=1200,
        seed=options.seed,
    )
    soak = Soak(model, prompts.find(60), generator)
    soak.run(20)  # not counted: buffers and caches grow to their size
    before = resident_bytes(os.getpid())
    soak.run(60 * options.minutes)
    sys.exit(_report(soak, resident_bytes(os.getpid()) - before))


def _report(soak: Soak, growth: int) -> bool:
    """True if something was wrong."""
    engine, model = soak.engine, soak.model
    engine.scheduler.check_integrity()
    left = engine.num_running + engine.num_waiting
    lengths = engine.scheduler.slot_lengths
    cells = sum(abs(model.length(slot) - length) for slot, length in enumerate(lengths))
    print(
        f"{dict(soak.counts)}\n{len(soak.wrong)} wrong texts, {left} sequences and {cells} cells left"
    )
    print(f"memory grew by {growth / 1e6:.1f} MB, {engine.num_steps} steps")
    print("\n".join(soak.wrong[:5]))
    return bool(soak.wrong or left or cells or growth > SLACK_BYTES)


if __name__ == "__main__":
    main()
