"""Whatever happens around a sequence, its text is the one it has alone, and nothing stays behind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.backends.base import DecodeResult
from inference.types import FinishReason, Prefill
from tests.inference.engine.engine_run import EngineRun
from tests.inference.engine.hashing_model import Guesses, HashingModel

NUM_TOKENS = 30
SYSTEM = "You are an owl and know the night. Be kind. "
PROMPTS = {
    "owl": SYSTEM + "Tell me of owls.",
    "why": "Why?",
    "long": SYSTEM + "x" * 150,
    "last": SYSTEM + "And the moon?",
}

happenings = st.sampled_from(
    ["nothing", "nothing", "cancel", "interrupt", DecodeResult.CACHE_FULL, DecodeResult.INTERRUPTED]
)


def run_of(model: HashingModel, *, drafts: bool = False) -> EngineRun:
    run = EngineRun(model, drafter=Guesses(model) if drafts else None)
    for name, prompt in PROMPTS.items():
        public = len(SYSTEM) if prompt.startswith(SYSTEM) else 0
        run.start(name, model.tokenize(prompt), user=name, num_public=public, max_tokens=NUM_TOKENS)
    return run


@pytest.mark.parametrize("max_sequences", [1, 2, 4])
def test_text_is_the_same_in_any_company(max_sequences):
    model = HashingModel(max_sequences=max_sequences)
    run = run_of(model)

    run.finish()

    for name, prompt in PROMPTS.items():
        assert run.text(name) == model.completion(prompt, NUM_TOKENS)


@pytest.mark.parametrize("drafts", [True, False])
@pytest.mark.parametrize("forgets_parts", [True, False])
@given(num_cells=st.integers(230, 400), script=st.lists(happenings, max_size=40), data=st.data())
def test_text_is_the_same_whatever_happens_around_it(
    forgets_parts: bool, drafts: bool, num_cells: int, script: list[str], data: Any
):
    model = HashingModel(num_cells=num_cells)
    model.forgets_parts = forgets_parts
    run = run_of(model, drafts=drafts)
    coming = iter(script)
    cancelled: set[str] = set()

    def happen() -> DecodeResult | None:
        match next(coming, "nothing"):
            case DecodeResult.CACHE_FULL if run.engine.num_running < 2:
                return None  # one sequence alone always fits
            case DecodeResult() as result:
                return result
            case "interrupt":
                model.interrupt()  # by a cancel that came too late for its own step
            case "cancel":
                cancelled.add(name := data.draw(st.sampled_from(sorted(PROMPTS))))
                run.engine.cancel(name)
        return None

    model.before_decode = happen
    run.finish()

    for name, prompt in PROMPTS.items():
        whole = model.completion(prompt, NUM_TOKENS)
        if name in cancelled:
            assert whole.startswith(run.text(name))
            assert run.end(name).reason in (FinishReason.CANCELLED, FinishReason.LENGTH)
        else:
            assert run.text(name) == whole
            assert run.end(name).usage.completion_tokens == NUM_TOKENS


@given(data=st.data(), num_cells=st.integers(300, 500), max_sequences=st.integers(1, 4))
def test_chats_that_go_on_say_what_they_would_say_without_a_history(
    data: Any, num_cells: int, max_sequences: int
):
    """Turns of three chats of two users in any order; each prompt is the whole chat so far."""
    num_slots = data.draw(st.integers(max_sequences, 6))
    model = HashingModel(
        num_cells=num_cells, max_sequences=max_sequences, num_slots=num_slots, token_budget=24
    )
    model.forgets_parts = data.draw(st.booleans())
    run = EngineRun(model, shelf_bytes=data.draw(st.sampled_from([0, 100, 1000])))
    chats = {"ada 1": "You are kind. ", "ada 2": "You are kind. No? ", "grace": "You are kind. "}

    for turn in range(data.draw(st.integers(1, 8))):
        asked = data.draw(st.lists(st.sampled_from(sorted(chats)), min_size=1, unique=True))
        for chat in asked:
            chats[chat] += data.draw(st.sampled_from(["Why?", "And the owls of the moon?"]))
            prompt = model.tokenize(chats[chat])
            user = chat.split()[0]
            run.start(f"{chat} {turn}", prompt, user=user, num_public=14, max_tokens=8)
        run.finish()
        for chat in asked:
            assert run.text(f"{chat} {turn}") == model.completion(chats[chat], 8)
            chats[chat] += run.text(f"{chat} {turn}")


def test_a_second_turn_reports_what_it_found_in_the_cache():
    model = HashingModel()
    run = EngineRun(model)
    run.start("one", model.tokenize("Tell me of owls."), max_tokens=NUM_TOKENS)
    run.finish()

    run.start("two", model.tokenize("Tell me of owls." + run.text("one") + "More?"), max_tokens=4)
    run.finish()

    assert run.end("one").usage.cached_tokens == 0
    assert run.end("two").usage.cached_tokens == len("Tell me of owls.") + NUM_TOKENS - 1
    assert run.of("two")[0] == Prefill(run.end("two").usage.prompt_tokens, 51)
