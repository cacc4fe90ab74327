"""The engine on a real model: whatever is computed together, in any order, each text is the one that
its prompt has alone; and nothing stays in the KV cache that nobody counts."""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inference.backends.base import SavedState
from inference.backends.llama.loading import load_model
from inference.backends.llama.model import LlamaModel
from inference.engine.draft_model import DraftModel
from inference.engine.engine import Engine
from inference.engine.ngrams import NGramDrafter
from inference.engine.posts import Announced, Prepared
from inference.engine.sequence import Prompt, Sequence, SequenceStatus
from inference.engine.speculation import Drafter
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

NUM_SCHEDULES = 200
NUM_TOKENS = 12
CELLS = 640
SHELF_BYTES = 4 * 1024 * 1024
USERS = ("ada", "grace")
GREEDY = SamplingParams(temperature=0.0, max_tokens=NUM_TOKENS)


def load(path: Path) -> LlamaModel:
    spec = ModelSpec(model_id="random", name="random", path=str(path), context_window=CELLS)
    settings = LoadSettings(gpu_layers=0, max_sequences=4, threads=1)
    return load_model(spec, settings, lambda _: None)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("model") / "random.gguf", printable=True)


@pytest.fixture(scope="module")
def model(path: Path) -> Iterator[LlamaModel]:
    loaded = load(path)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def draft_models(path: Path) -> Iterator[dict[str, LlamaModel]]:
    """One that is always right, and one that is so by chance."""
    other = write_random_model(path.with_name("other.gguf"), printable=True, seed=99)
    loaded = {"itself": load(path), "another": load(other)}
    yield loaded
    for one in loaded.values():
        one.close()


@pytest.fixture(scope="module")
def known(model: LlamaModel) -> list[Known]:
    prompts = KnownPrompts(model, num_tokens=NUM_TOKENS, lengths=(10, 30, 150), longest=400, seed=1)
    return prompts.find(40)


class Schedule:
    """Prompts that come and are cancelled at random between the steps of one engine."""

    def __init__(
        self,
        model: LlamaModel,
        known: list[Known],
        seed: int,
        drafter: Drafter | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.random = random.Random(seed)
        self.model = model
        self.known = known
        self.asked: dict[str, Known] = {}
        self.events: dict[str, list[Event]] = {}
        self.num_preempted = 0
        self.engine = Engine(
            model,
            emit=self._emit,
            clock=clock,
            shelf_bytes=SHELF_BYTES,
            drafter=drafter,
        )

    def run(self) -> None:
        for _ in range(60):
            if self.random.random() < 0.25:
                self.ask()
            if self.asked and self.random.random() < 0.03:
                self.engine.cancel(self.random.choice(sorted(self.asked)))
            if self.random.random() < 0.05:
                self._run_out_of_cells()
            self._step()
        self.finish()

    def finish(self) -> None:
        while self._step():
            pass

    def text(self, name: str) -> str:
        return "".join(event.text for event in self.events[name] if isinstance(event, Delta))

    def ask(self) -> None:
        name, known = str(len(self.asked)), self.random.choice(self.known)
        self.asked[name] = known
        user = self.random.choice(USERS)
        self.engine.post(Announced(Sequence(name, time.monotonic(), GREEDY, user)))
        self.engine.post(Prepared(name, Prompt(array("i", known.tokens), known.num_public)))

    def _run_out_of_cells(self) -> None:
        """As if the cache were fuller than counted: residents go, or the youngest waits again."""
        scheduler = self.engine.scheduler
        scheduler.free_cells()
        self.num_preempted += SequenceStatus.PREEMPTED in [one.status for one in scheduler.waiting]

    def _step(self) -> bool:
        is_going = self.engine.step()
        self.engine.scheduler.check_integrity()
        return is_going

    def _emit(self, name: str, event: Event) -> None:
        self.events.setdefault(name, []).append(event)


@pytest.mark.parametrize("seed", range(NUM_SCHEDULES))
def test_each_text_is_the_one_it_has_alone(model, known, seed):
    schedule = Schedule(model, known, seed)

    schedule.run()

    check_texts(schedule, model)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kind", ["itself", "another", "text"])
def test_drafts_change_no_text(model, draft_models, known, kind, seed):
    """Right ones, wrong ones and those of the text itself. With a clock that stands still they always
    seem to pay."""
    drafter = DraftModel(draft_models[kind]) if kind in draft_models else NGramDrafter()
    schedule = Schedule(model, known, seed, drafter, clock=lambda: 0.0)

    schedule.run()

    check_texts(schedule, model)
    for draft_model in draft_models.values():
        assert all(draft_model.length(slot) == 0 for slot in range(draft_model.num_slots))


def test_a_draft_model_that_is_right_saves_steps(model, draft_models, known):
    steps = []
    for drafter in (None, DraftModel(draft_models["itself"])):
        schedule = Schedule(model, known[:1], 1, drafter, clock=lambda: 0.0)
        schedule.ask()
        schedule.finish()
        steps.append(schedule.engine.num_steps)
        empty(model)

    assert steps[0] == NUM_TOKENS
    assert steps[1] < NUM_TOKENS / 2


def check_texts(schedule: Schedule, model: LlamaModel) -> None:
    for name, prompt in schedule.asked.items():
        end = schedule.events[name][-1]
        assert isinstance(end, TERMINAL)
        assert isinstance(end, Finished)
        if end.reason is FinishReason.LENGTH:
            assert schedule.text(name) == prompt.text
        else:
            assert prompt.text.startswith(schedule.text(name))
    lengths = schedule.engine.scheduler.slot_lengths
    assert [model.length(slot) for slot in range(model.num_slots)] == lengths
    empty(model)


def empty(model: LlamaModel) -> None:
    for slot in range(model.num_slots):
        model.forget(slot)


def test_the_schedules_preempt_and_find_what_was_computed(model, known, monkeypatch):
    """Else they would show less than they say."""
    preempted, found = 0, 0
    restored: list[bool] = []
    restore = model.restore

    def restore_and_note(slot: int, state: SavedState) -> bool:
        restored.append(restore(slot, state))
        return restored[-1]

    monkeypatch.setattr(model, "restore", restore_and_note)
    for seed in range(20):
        schedule = Schedule(model, known, seed)
        schedule.run()
        ends = [events[-1] for events in schedule.events.values()]
        preempted += schedule.num_preempted
        found += sum(isinstance(end, Finished) and end.usage.cached_tokens > 0 for end in ends)
        empty(model)

    assert preempted > 0
    assert found > 20
    assert restored.count(True) > 10
