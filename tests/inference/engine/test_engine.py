from __future__ import annotations

from collections.abc import Callable

from inference.backends.base import DecodeResult
from inference.engine.engine import Engine
from inference.engine.posts import Announced, Prepared, Refused
from inference.engine.sequence import Prompt, Sequence
from inference.errors import ContextWindowExceeded
from inference.types import (
    TERMINAL,
    Delta,
    Event,
    Failed,
    Finished,
    FinishReason,
    Prefill,
    Queued,
    SamplingParams,
    Usage,
)
from tests.inference.engine.scripted_model import ScriptedModel


class Clock:
    """Each look takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Harness:
    def __init__(self, **limits: int) -> None:
        self.model = ScriptedModel(**limits)
        self.events: dict[str, list[Event]] = {}
        self.engine = Engine(self.model, emit=self.take, clock=Clock())

    def take(self, name: str, event: Event) -> None:
        assert not any(isinstance(one, TERMINAL) for one in self.events.get(name, []))
        self.events.setdefault(name, []).append(event)

    def start(self, name: str, prompt: str, **sampling: object) -> None:
        params = SamplingParams(**{"max_tokens": 5, **sampling})  # type: ignore[arg-type]
        self.engine.post(Announced(Sequence(name, 0.0, params)))
        self.engine.post(Prepared(name, Prompt(self.model.tokenize(prompt))))

    def run(self, *, until: Callable[[], bool] = lambda: False) -> None:
        while not until() and self.engine.step():
            self.engine.scheduler.check_integrity()

    def text(self, name: str) -> str:
        return "".join(event.text for event in self.events[name] if isinstance(event, Delta))

    def last(self, name: str) -> Event:
        return self.events[name][-1]

    def reason(self, name: str) -> FinishReason:
        event = self.last(name)
        assert isinstance(event, Finished)
        return event.reason


def test_a_completion_is_prefill_then_deltas_then_one_end():
    harness = Harness()
    harness.start("one", "xa", max_tokens=3)

    harness.run()

    kinds = [type(event) for event in harness.events["one"]]
    assert kinds == [Prefill, Delta, Delta, Delta, Finished]
    assert harness.text("one") == "bcd"
    assert harness.reason("one") is FinishReason.LENGTH
    assert [d.num_tokens for d in harness.events["one"] if isinstance(d, Delta)] == [1, 2, 3]


def test_usage_counts_the_prompt_and_the_completion():
    harness = Harness()
    harness.start("one", "xa", max_tokens=3)

    harness.run()

    end = harness.last("one")
    assert isinstance(end, Finished)
    assert end.usage == Usage(prompt_tokens=2, completion_tokens=3)
    assert end.timings.time_to_first_token is not None
    assert 0 < end.timings.decode < end.timings.total


def test_the_end_token_stops_and_is_not_counted():
    harness = Harness()
    harness.model.last_token = ord("c")
    harness.start("one", "a", max_tokens=100)

    harness.run()

    end = harness.last("one")
    assert isinstance(end, Finished)
    assert (harness.text("one"), end.reason) == ("bc", FinishReason.STOP)
    assert end.usage.completion_tokens == 2


def test_a_stop_sequence_over_several_tokens_ends_the_completion_before_it():
    harness = Harness()
    harness.start("one", "a", max_tokens=100, stop=("efg",))

    harness.run()

    assert harness.text("one") == "bcd"
    assert harness.reason("one") is FinishReason.STOP


def test_text_held_back_for_a_stop_sequence_is_shown_when_the_limit_comes_first():
    harness = Harness()
    harness.start("one", "a", max_tokens=4, stop=("efg",))

    harness.run()

    assert harness.text("one") == "bcde"


def test_a_completion_ends_where_the_context_window_ends():
    harness = Harness(num_cells=8)
    harness.start("one", "aaaaa", max_tokens=100)

    harness.run()

    assert harness.text("one") == "bcd"
    assert harness.reason("one") is FinishReason.LENGTH


def test_several_sequences_are_computed_in_one_batch():
    harness = Harness()
    harness.start("one", "a")
    harness.start("two", "k")

    harness.run()

    assert (harness.text("one"), harness.text("two")) == ("bcdef", "lmnop")
    assert max(len(batch) for batch in harness.model.batches) == 2


def test_a_long_prompt_never_stops_the_others():
    harness = Harness(token_budget=16)
    harness.start("stream", "a", max_tokens=12)
    harness.run(until=lambda: len(harness.events.get("stream", [])) > 2)
    harness.start("long", "z" * 100)

    harness.run(until=lambda: any(isinstance(e, Delta) for e in harness.events.get("long", [])))

    batches = [batch for batch in harness.model.batches if any(len(e.tokens) > 1 for e in batch)]
    assert len(batches) > 5
    assert all(len(batch) == 2 for batch in batches[:5])


def test_waiting_sequences_are_told_their_place():
    harness = Harness(max_sequences=1)
    harness.start("one", "a")
    harness.start("two", "b")
    harness.start("three", "c")

    harness.run()

    assert [event for event in harness.events["three"] if isinstance(event, Queued)] == [
        Queued(2),
        Queued(1),
    ]


def test_a_cancel_ends_a_waiting_sequence_without_a_step():
    harness = Harness(max_sequences=1)
    harness.start("one", "a", max_tokens=100)
    harness.start("two", "b")
    harness.run(until=lambda: harness.engine.num_steps == 2)

    harness.engine.cancel("two")
    harness.run(until=lambda: harness.engine.num_steps == 3)

    assert harness.reason("two") is FinishReason.CANCELLED


def test_a_cancel_while_the_prompt_is_prepared_ends_it_once():
    harness = Harness()
    harness.engine.post(Announced(Sequence("one", 0.0)))
    harness.engine.cancel("one")
    harness.engine.post(Prepared("one", Prompt(harness.model.tokenize("a"))))

    harness.run()

    assert [type(event) for event in harness.events["one"]] == [Finished]
    assert harness.engine.num_waiting == 0


def test_a_cancel_in_decode_frees_the_slot_and_leaves_the_others_unchanged():
    harness = Harness(max_sequences=2)
    harness.start("one", "a", max_tokens=10)
    harness.start("two", "k", max_tokens=10)
    harness.run(until=lambda: harness.engine.num_steps == 4)

    harness.engine.cancel("one")
    harness.run()

    assert harness.text("one") == "bcde"
    assert harness.text("two") == "lmnopqrstu"
    assert harness.model.num_cached_tokens == harness.engine.scheduler.num_taken_cells
    assert all(sampler.is_closed for sampler in harness.model.samplers)


def test_a_cancel_interrupts_a_prompt_and_the_others_go_on_as_before():
    harness = Harness()
    harness.start("stream", "k", max_tokens=6)
    harness.run(until=lambda: harness.engine.num_steps == 2)
    harness.start("long", "z" * 40)
    harness.model.before_decode = lambda: (
        harness.engine.cancel("long") if len(harness.model.batches[-1]) > 1 else None
    )

    harness.run()

    assert [type(event) for event in harness.events["long"]] == [Finished]
    assert harness.text("stream") == "lmnopq"


def test_a_cache_that_forgets_only_wholes_is_computed_again_after_an_interrupt():
    harness = Harness()
    harness.model.forgets_parts = False
    harness.start("stream", "k", max_tokens=6)
    harness.run(until=lambda: harness.engine.num_steps == 2)
    harness.start("long", "z" * 40)
    harness.model.before_decode = lambda: (
        harness.engine.cancel("long") if len(harness.model.batches[-1]) > 1 else None
    )

    harness.run()

    assert harness.text("stream") == "lmnopq"


def test_a_cancel_of_another_stream_does_not_interrupt_a_decode():
    harness = Harness()
    harness.start("one", "a")
    harness.start("two", "k")
    harness.run(until=lambda: harness.engine.num_steps == 2)

    harness.engine.cancel("one")

    assert not harness.model.interrupted


def test_a_failed_decode_fails_only_the_sequences_in_it():
    harness = Harness(max_sequences=1)
    harness.start("one", "a")
    harness.start("two", "k")
    results = iter([DecodeResult.FAILED])
    harness.model.before_decode = lambda: next(results, None)

    harness.run()

    assert isinstance(harness.last("one"), Failed)
    assert harness.text("two") == "lmnop"


def test_a_cache_fuller_than_counted_sends_the_youngest_back_to_the_queue():
    harness = Harness()
    harness.start("one", "a")
    harness.start("two", "k")
    results = iter([None, DecodeResult.CACHE_FULL])
    harness.model.before_decode = lambda: next(results, None)

    harness.run()

    assert (harness.text("one"), harness.text("two")) == ("bcdef", "lmnop")
    assert not any(isinstance(event, Queued) for event in harness.events["two"])


def test_preempted_sequences_end_with_the_text_they_would_have_alone():
    harness = Harness(num_cells=200, token_budget=200)
    harness.start("one", "a" * 50, max_tokens=70)
    harness.start("two", "A" * 50, max_tokens=70)
    harness.run()
    alone = Harness()
    alone.start("two", "A" * 50, max_tokens=70)
    alone.run()

    assert harness.text("two") == alone.text("two")
    first = [batch for batch in harness.model.batches if len(batch[0].tokens) > 50]
    assert first, "the second was never computed again"


def test_a_refused_prompt_fails_without_any_compute():
    harness = Harness()
    harness.engine.post(Announced(Sequence("one", 0.0)))
    error = ContextWindowExceeded.of(prompt_tokens=9, context_window=8)
    harness.engine.post(Refused("one", error))

    harness.run()

    end = harness.last("one")
    assert isinstance(end, Failed)
    assert end.error == error.info
    assert end.usage is None
    assert harness.model.batches == []


def test_the_same_id_twice_is_one_completion():
    harness = Harness()
    harness.start("one", "a")
    harness.start("one", "k")

    harness.run()

    assert harness.text("one") == "bcdef"
