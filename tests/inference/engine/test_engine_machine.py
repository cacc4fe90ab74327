"""Whatever is asked of an engine, and whatever fails in it, in any order: each completion has the
text that it has alone, or the beginning of it, and nothing is left over or counted twice."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import data, integers, sampled_from

from inference.backends.base import DecodeResult
from inference.types import TERMINAL, Failed, Finished, FinishReason
from tests.inference.engine.engine_run import EngineRun
from tests.inference.engine.hashing_model import Guesses, HashingModel

# Two beginnings that users have in common, one of them the beginning of the other.
BEGINNINGS = (
    "",
    "You are an owl and you know the night. ",
    "You are an owl and you know the night. Be kind, and brief. ",
)
QUESTIONS = ("Why?", "Tell me of owls.", "And the moon? " * 5)
USERS = ("ada", "grace")
NUM_CELLS = 330
MAX_TOKENS = 25
# The model counts a byte a token: some chats.
SHELF_BYTES = 400


class EngineMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = HashingModel(
            num_cells=NUM_CELLS, max_sequences=3, num_slots=5, token_budget=48
        )
        self.run = EngineRun(self.model, shelf_bytes=SHELF_BYTES, drafter=Guesses(self.model))
        self.prompts: dict[str, str] = {}
        self.num_tokens: dict[str, int] = {}
        self.chats: list[str] = []
        self.outcome: DecodeResult | None = None
        self.model.before_decode = self._outcome_once

    @rule(
        beginning=sampled_from(BEGINNINGS),
        question=sampled_from(QUESTIONS),
        user=sampled_from(USERS),
        max_tokens=integers(1, MAX_TOKENS),
    )
    def ask(self, beginning: str, question: str, user: str, max_tokens: int) -> None:
        self._start(beginning + question, user, len(beginning), max_tokens)

    @precondition(lambda self: self.chats)
    @rule(data=data(), user=sampled_from(USERS), max_tokens=integers(1, MAX_TOKENS))
    def go_on(self, data: object, user: str, max_tokens: int) -> None:
        """A further turn of a chat that was answered, as this user's."""
        before = data.draw(sampled_from(self.chats))  # type: ignore[attr-defined]
        if len(before) < NUM_CELLS - 2 * MAX_TOKENS:
            self._start(before + "More?", user, 0, max_tokens)

    @rule(count=integers(1, 12))
    def compute(self, count: int) -> None:
        self.run.steps(count)

    @precondition(lambda self: self.open())
    @rule(data=data())
    def cancel(self, data: object) -> None:
        self.run.engine.cancel(data.draw(sampled_from(self.open())))  # type: ignore[attr-defined]

    @precondition(lambda self: self.run.engine.num_running > 1)
    @rule()
    def run_out_of_cells(self) -> None:
        self.outcome = DecodeResult.CACHE_FULL
        self.run.steps(1)

    @rule(outcome=sampled_from([DecodeResult.INTERRUPTED, DecodeResult.FAILED]))
    def fail(self, outcome: DecodeResult) -> None:
        self.outcome = outcome
        self.run.steps(1)

    @rule(can=sampled_from([True, True, False]))
    def change_what_the_cache_can(self, can: bool) -> None:
        self.model.forgets_parts = can

    def open(self) -> list[str]:
        return [name for name in self.prompts if not self._ends(name)]

    @invariant()
    def the_cache_holds_what_is_counted(self) -> None:
        self.run.engine.scheduler.check_integrity()
        scheduler = self.run.engine.scheduler
        assert self.model.num_cached_tokens == scheduler.num_taken_cells
        held = [len(self.model.cache.get(slot, ())) for slot in range(self.model.num_slots)]
        assert held == scheduler.slot_lengths

    @invariant()
    def nobody_says_what_he_would_not_say_alone(self) -> None:
        for name in self.open():
            assert self._alone(name).startswith(self.run.text(name))

    def teardown(self) -> None:
        self.outcome = None
        self.run.finish()
        for name in self.prompts:
            self._check_end(name)

    def _start(self, prompt: str, user: str, num_public: int, max_tokens: int) -> None:
        name = str(len(self.prompts))
        self.prompts[name], self.num_tokens[name] = prompt, max_tokens
        tokens = self.model.tokenize(prompt)
        self.run.start(name, tokens, user=user, num_public=num_public, max_tokens=max_tokens)

    def _outcome_once(self) -> DecodeResult | None:
        outcome, self.outcome = self.outcome, None
        return outcome

    def _ends(self, name: str) -> bool:
        events = self.run.of(name)
        ended = bool(events) and isinstance(events[-1], TERMINAL)
        if (
            ended
            and self._is_whole(name)
            and self.prompts[name] + self._alone(name) not in self.chats
        ):
            self.chats.append(self.prompts[name] + self._alone(name))
        return ended

    def _is_whole(self, name: str) -> bool:
        last = self.run.of(name)[-1]
        return isinstance(last, Finished) and last.reason is FinishReason.LENGTH

    def _alone(self, name: str) -> str:
        return self.model.completion(self.prompts[name], self.num_tokens[name])

    def _check_end(self, name: str) -> None:
        text, last = self.run.text(name), self.run.of(name)[-1]
        if self._is_whole(name):
            assert text == self._alone(name)
        else:
            assert isinstance(last, Failed | Finished)
            assert self._alone(name).startswith(text)


# More than 20,000 steps altogether.
EngineMachine.TestCase.settings = settings(max_examples=450, stateful_step_count=50, deadline=None)
TestEngineMachine = EngineMachine.TestCase
