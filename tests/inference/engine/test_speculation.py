"""Drafts: what they are made of, when they pay, and that they never change a text."""

from __future__ import annotations

from array import array
from itertools import pairwise

import pytest

from inference.engine.ngrams import LENGTH, NGrams
from inference.engine.scheduler import Chunk
from inference.engine.sequence import Prompt, Sequence
from inference.engine.speculation import FIRST_CREDIT, FIRST_PAUSE, LENGTHS, Speculation
from inference.types import FinishReason, SamplingParams
from tests.inference.engine.engine_run import EngineRun
from tests.inference.engine.hashing_model import Guesses, HashingModel
from tests.inference.engine.scripted_model import ScriptedModel


class Always:
    """Drafts as many tokens as are asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.forgotten: list[str] = []

    def draft(self, sequences):
        self.asked = [most for _, most in sequences]
        return [array("i", range(most)) for most in self.asked]

    def forget(self, sequence):
        self.forgotten.append(sequence.sequence_id)


def a_stream(name: str = "one", *, num_tokens: int = 10, **sampling: object) -> Chunk:
    sequence = Sequence(name, 0.0, SamplingParams(**sampling))  # type: ignore[arg-type]
    sequence.take_prompt(Prompt(array("i", range(num_tokens))))
    sequence.append(1, b"x", now=0.0)
    return Chunk(sequence, num_tokens, num_tokens + 1)


def made(
    *, num_outputs: int = 32, context_window: int = 1000, decode_seconds: float = 1.0
) -> tuple[Speculation, Always]:
    drafter = Always()
    speculation = Speculation(
        drafter,
        decode_seconds=decode_seconds,
        num_outputs=num_outputs,
        context_window=context_window,
    )
    return speculation, drafter


def test_the_text_is_the_same_and_takes_fewer_steps():
    model = HashingModel()
    alone, guessed = EngineRun(model), EngineRun(model, drafter=Guesses(model))
    prompt = model.tokenize("Tell me of owls.")

    for run in (alone, guessed):
        run.start("one", prompt, max_tokens=60)
        run.finish()
        model.cache.clear()
        model.cells.clear()

    assert guessed.text("one") == alone.text("one") == model.completion("Tell me of owls.", 60)
    assert guessed.end("one").usage == alone.end("one").usage
    assert guessed.engine.num_steps < alone.engine.num_steps / 3


def test_a_stop_sequence_inside_a_draft_ends_the_completion_before_it():
    model = HashingModel()
    run = EngineRun(model, drafter=Guesses(model, wrong=7))
    whole = model.completion("Why?", 40)

    run.start("one", model.tokenize("Why?"), max_tokens=100, stop=(whole[9:13],))
    run.finish()

    assert run.text("one") == whole[:9]
    assert run.end("one").reason is FinishReason.STOP
    assert run.end("one").usage.completion_tokens == 13


def test_the_end_inside_a_draft_ends_the_completion():
    model = ScriptedModel()
    model.last_token = ord("h")
    drafter = Always()
    drafter.draft = lambda sequences: [  # type: ignore[method-assign]
        array("i", range(one.tokens[-1] + 1, one.tokens[-1] + 1 + most)) for one, most in sequences
    ]
    run = EngineRun(model, drafter=drafter)

    run.start("one", model.tokenize("a"), max_tokens=100)
    run.finish()

    assert (run.text("one"), run.end("one").reason) == ("bcdefgh", FinishReason.STOP)
    assert run.engine.num_steps == 1
    assert drafter.forgotten == ["one"]


def test_a_limit_is_kept_to_the_token():
    for max_tokens in range(1, 40):
        model = HashingModel()
        run = EngineRun(model, drafter=Guesses(model, wrong=7))
        run.start("one", model.tokenize("Why?"), max_tokens=max_tokens)
        run.finish()
        assert run.text("one") == model.completion("Why?", max_tokens)


def test_a_model_that_cannot_drop_tokens_is_not_given_drafts():
    model = HashingModel()
    model.can_cut = False
    guesses = Guesses(model)
    run = EngineRun(model, drafter=guesses)

    run.start("one", model.tokenize("Why?"), max_tokens=20)
    run.finish()

    assert guesses.num_drafted == 0
    assert run.text("one") == model.completion("Why?", 20)


def test_no_draft_is_beyond_the_window_the_limit_the_outputs_or_the_free_cells():
    for kept_to, chunk, num_free in [
        (made(context_window=15), a_stream(num_tokens=10), 100),
        (made(), a_stream(max_tokens=5), 100),
        (made(num_outputs=5), a_stream(), 100),
        (made(), a_stream(), 4),
    ]:
        speculation, drafter = kept_to
        speculation.with_drafts([chunk], num_free=num_free)
        assert drafter.asked == [3]
        assert speculation.with_drafts([chunk], num_free=2) == [chunk]


def drafted_for(speculation: Speculation, chunk: Chunk) -> int:
    (drafted,) = speculation.with_drafts([chunk], num_free=100)
    return len(drafted.draft)


def test_drafts_that_are_right_go_on_however_dear_a_step_is():
    speculation, _ = made()
    chunk = a_stream()
    for _ in range(50):
        (drafted,) = speculation.with_drafts([chunk], num_free=100)
        num_tokens = 1 + len(drafted.draft)
        speculation.record([drafted], 1.0 if num_tokens == 1 else 4.0)
        speculation.note(drafted, num_right=len(drafted.draft))

    (drafted,) = speculation.with_drafts([chunk], num_free=100)
    assert len(drafted.draft) == LENGTHS[-1]


def test_drafts_that_are_wrong_end_at_once_and_are_tried_more_and_more_seldom():
    speculation, _ = made()
    tried: list[int] = []
    chunk = a_stream(num_tokens=1)
    for number in range(1000):
        (drafted,) = speculation.with_drafts([chunk], num_free=100)
        speculation.record([drafted], 4.0 if drafted.draft else 1.0)
        speculation.note(drafted, num_right=0)
        if drafted.draft:
            tried.append(number)
        chunk.sequence.append(1, b"x", now=0.0)

    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert 1 < len(tried) < 12
    assert max(gaps) >= FIRST_PAUSE * 16
    assert gaps[-1] >= gaps[0]


def test_trying_loses_a_hundredth_of_the_time_however_many_sequences_come():
    speculation, _ = made(decode_seconds=0.01)
    seconds, lost = 0.0, 0.0
    for number in range(300):
        chunk = a_stream(str(number))
        for _ in range(30):
            (drafted,) = speculation.with_drafts([chunk], num_free=100)
            took = 0.06 if drafted.draft else 0.01
            speculation.record([drafted], took)
            speculation.note(drafted, num_right=0)
            seconds, lost = seconds + took, lost + took - 0.01
            chunk.sequence.append(1, b"x", now=0.0)

    assert 0 < lost < 0.015 * seconds + FIRST_CREDIT


def test_where_more_tokens_cost_nothing_even_bad_drafts_pay():
    speculation, _ = made()
    chunk = a_stream()
    for _ in range(50):
        (drafted,) = speculation.with_drafts([chunk], num_free=100)
        speculation.record([drafted], 1.0)
        speculation.note(drafted, num_right=1)

    assert speculation.with_drafts([chunk], num_free=100)[0].draft


@pytest.mark.parametrize(("seconds", "part"), [(8.0, 1.0), (40.0, 0.1)])
def test_what_it_costs_the_others_counts(seconds: float, part: float):
    """Eight streams take eight seconds a step; with drafts that bring them a token each, more."""
    speculation, _ = made()
    chunks = [a_stream(str(number)) for number in range(8)]
    num_drafted = 0
    for _ in range(200):
        offered = speculation.with_drafts(chunks, num_free=100)
        is_drafted = any(chunk.draft for chunk in offered)
        num_drafted += is_drafted
        speculation.record(offered, seconds if is_drafted else 8.0)
        for chunk in offered:
            speculation.note(chunk, num_right=min(1, len(chunk.draft)))
            chunk.sequence.append(1, b"x", now=0.0)

    assert (num_drafted > 150) is (part == 1.0)
    assert num_drafted <= 200 * part


def test_what_followed_before_is_guessed_to_follow_again():
    ngrams = NGrams()
    tokens = array("i", [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4])

    assert ngrams.continuation(tokens, 3).tolist() == [5, 6, 7]
    tokens.append(5)
    assert ngrams.continuation(tokens, 4).tolist() == [6, 7, 8, 9]
    tokens.append(1000)
    assert not ngrams.continuation(tokens, 4)


def test_what_repeats_itself_is_guessed_to_go_on_so():
    tokens = array("i", [1, 2, 1, 2, 1, 2])

    assert NGrams().continuation(tokens, 5).tolist() == [1, 2, 1, 2, 1]


def test_the_newest_place_counts():
    tokens = array("i", [1, 2, 3, 4, 100, 1, 2, 3, 4, 200, 1, 2, 3, 4])

    assert NGrams().continuation(tokens, 1).tolist() == [200]


def test_too_little_text_has_no_continuation():
    for length in range(LENGTH + 1):
        assert not NGrams().continuation(array("i", range(length)), 3)


def test_a_very_long_prompt_is_looked_at_in_parts():
    tokens = array("i", range(100, 20_100))
    tokens.extend(range(100, 104))
    ngrams = NGrams()

    assert not ngrams.continuation(tokens, 3)
    assert not ngrams.continuation(tokens, 3)
    assert ngrams.continuation(tokens, 3).tolist() == [104, 105, 106]
