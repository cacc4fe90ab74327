"""What is asked of a model to measure it. No prompt is asked twice, and all differ from their first word
on, so that nothing of them is found in the KV cache."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from statistics import median

from inference.errors import ContextWindowExceeded
from inference.types import Finished
from models_app.benchmarks.requests import Asking

TARGETS = (128, 512, 2048)
CALIBRATION_WORDS = 48
# A prompt that would take longer, by what shorter ones took, is left out.
LONGEST_PROMPT_SECONDS = 60.0
# Of the context window, what a prompt may fill: its length is only known once it was tokenized.
USABLE_WINDOW = 0.85
ANSWER_TOKENS = 64
ENOUGH_ANSWERS, ENOUGH_TOKENS, ENOUGH_SECONDS, MOST_ANSWERS = 3, 64, 45.0, 8

SENTENCE = "the owl looks at the moon and waits for the mice of the wide dark field while "
QUESTION = "Tell me a long story about an owl, and number its sentences."


@dataclass(frozen=True)
class Reading:
    """A prompt of about `target` tokens. `num_tokens`: those that were really computed."""

    target: int
    num_tokens: int
    seconds: float


@dataclass
class Writing:
    """Some answers to a short question."""

    first_tokens: list[float] = field(default_factory=list)
    num_tokens: int = 0
    decoded: int = 0
    seconds: float = 0.0

    def add(self, answer: Finished) -> None:
        tokens = answer.usage.completion_tokens
        self.num_tokens += tokens
        if answer.timings.time_to_first_token is not None:
            self.first_tokens.append(answer.timings.time_to_first_token)
        if answer.timings.decode > 0:
            self.decoded += tokens - 1
            self.seconds += answer.timings.decode

    @property
    def first_token_seconds(self) -> float | None:
        return median(self.first_tokens) if self.first_tokens else None

    @property
    def tokens_per_second(self) -> float | None:
        """None: no answer had two tokens."""
        return self.decoded / self.seconds if self.seconds else None

    @property
    def is_enough(self) -> bool:
        return len(self.first_tokens) >= ENOUGH_ANSWERS and self.num_tokens >= ENOUGH_TOKENS


async def readings(asking: Asking, *, window: int) -> AsyncIterator[Reading]:
    """Of each target that fits, the shortest first. The first request warms the model up."""
    calibration = await asking.read(_text(CALIBRATION_WORDS))
    tokens_a_word = max(calibration.usage.prompt_tokens / CALIBRATION_WORDS, 0.1)
    rate = 0.0
    for target in TARGETS:
        is_too_slow = rate and target / rate > LONGEST_PROMPT_SECONDS
        if target > window * USABLE_WINDOW or is_too_slow:
            return
        try:
            ended = await asking.read(_text(int(target / tokens_a_word)))
        except ContextWindowExceeded:
            return
        reading = _reading(target, ended)
        rate = reading.num_tokens / reading.seconds
        yield reading


async def writings(asking: Asking) -> AsyncIterator[Writing]:
    """The same one, with one answer more each time."""
    writing, began = Writing(), time.monotonic()
    for _ in range(MOST_ANSWERS):
        writing.add(await asking.answer(f"{_number()} {QUESTION}", max_tokens=ANSWER_TOKENS))
        yield writing
        if writing.is_enough or time.monotonic() - began > ENOUGH_SECONDS:
            return


def _reading(target: int, ended: Finished) -> Reading:
    computed = ended.usage.prompt_tokens - ended.usage.cached_tokens
    return Reading(target, computed, max(ended.timings.total, 1e-6))


def _text(num_words: int) -> str:
    words = SENTENCE.split()
    repeated = words * (num_words // len(words) + 1)
    return " ".join([_number(), *repeated[: max(num_words - 1, 0)]])


def _number() -> str:
    return uuid.uuid4().hex[:8]
