"""One request inside the engine: its tokens, how far they are computed, and its text."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from inference.backends.base import Sampler
from inference.engine.detokenizer import Detokenizer, StopMatcher
from inference.engine.separator import Part, Separator, Text
from inference.engine.tool_calls import Call
from inference.types import FinishReason, SampledToken, SamplingParams, Timings, Usage


@dataclass(frozen=True)
class Prompt:
    """`num_public_tokens`: of its first tokens, those that stand before anything a user wrote.
    `grammar`: what the completion has to look like, as the back end made it; "": anything.
    `separator` None: all that is generated is content. `markers`: texts of control tokens that it
    has to see. `num_dropped_messages`: of the conversation, as they did not fit."""

    tokens: array[int]
    num_public_tokens: int = 0
    grammar: str = ""
    separator: Separator | None = None
    markers: Mapping[int, bytes] = field(default_factory=dict)
    num_dropped_messages: int = 0


class SequenceStatus(StrEnum):
    PREPARING = "preparing"
    WAITING = "waiting"
    RUNNING = "running"
    PREEMPTED = "preempted"
    FINISHED = "finished"


@dataclass(eq=False)
class Sequence:
    """`tokens` is the prompt and what was generated; the first `num_computed_tokens` of them are in
    the KV cache under `slot`. A preempted one keeps tokens and sampler, and is computed again.
    `sampled`: tokens that no delta has told of yet, if their probabilities are wanted.
    `cached_tokens` of the prompt were there before it came: `user`'s own, or among the first
    `num_public_tokens`, which no user wrote.

    Owned by the engine's thread from the moment it is announced.
    """

    sequence_id: str
    arrived_at: float
    sampling: SamplingParams = field(default_factory=SamplingParams)
    user: str = ""
    status: SequenceStatus = SequenceStatus.PREPARING
    tokens: array[int] = field(default_factory=lambda: array("i"))
    prompt_tokens: int = 0
    num_public_tokens: int = 0
    num_computed_tokens: int = 0
    cached_tokens: int = 0
    slot: int = -1
    position: int = 0
    sampler: Sampler | None = None
    num_calls: int = 0
    sampled: list[SampledToken] = field(default_factory=list)
    markers: Mapping[int, bytes] = field(default_factory=dict)
    first_token_at: float | None = None
    last_token_at: float | None = None

    def __post_init__(self) -> None:
        self._detokenizer = Detokenizer()
        self._stop = StopMatcher(self.sampling.stop)
        self._separator: Separator | None = None

    def take_prompt(self, prompt: Prompt) -> None:
        self.tokens = prompt.tokens
        self.prompt_tokens = len(self.tokens)
        self.num_public_tokens = prompt.num_public_tokens
        self._separator = prompt.separator
        self.markers = prompt.markers
        self.status = SequenceStatus.WAITING

    def take_inputs(self, inputs: Iterable[array[int]]) -> None:
        """Texts that vectors are wanted of: nothing is generated after them."""
        for tokens in inputs:
            self.tokens.extend(tokens)
        self.prompt_tokens = len(self.tokens)
        self.status = SequenceStatus.WAITING

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)

    @property
    def num_remaining(self) -> int:
        """Tokens to compute before the next one can be sampled."""
        return self.num_tokens - self.num_computed_tokens

    @property
    def is_new(self) -> bool:
        """Nothing was computed for it yet; what was found in the KV cache does not count."""
        return self.num_computed_tokens <= self.cached_tokens

    @property
    def completion_tokens(self) -> int:
        return self.num_tokens - self.prompt_tokens

    def append(self, token: int, piece: bytes, *, now: float) -> list[Part]:
        """Take a generated token; returns what can be shown now."""
        self.tokens.append(token)
        self.first_token_at = now if self.first_token_at is None else self.first_token_at
        self.last_token_at = now
        text = self._detokenizer.feed(piece)
        separated = self._separator.feed(text) if self._separator else [Text(text)]
        return [shown for part in separated if (shown := self._up_to_stop(part))]

    def rest(self, reason: FinishReason) -> list[Part]:
        """What was held back. A character cut off by a limit is left out, not shown broken."""
        text = self._detokenizer.finish() if reason is FinishReason.STOP else ""
        separated: list[Part] = [Text(text)]
        if self._separator:
            separated = [*self._separator.feed(text), *self._separator.finish()]
        shown = [part for one in separated if (part := self._up_to_stop(one))]
        held = self._stop.finish()
        return [*shown, Text(held)] if held else shown

    def _up_to_stop(self, part: Part) -> Part | None:
        """Stop sequences are looked for in content only."""
        if self._stop.matched:
            return None
        if isinstance(part, Call):
            self.num_calls += 1
            return part
        if not part.is_reasoning:
            part = Text(self._stop.feed(part.text))
        return part if part.text else None

    def finish_reason(self, *, context_window: int) -> FinishReason | None:
        """Why it ends after the last appended token, or None if it goes on."""
        if self._stop.matched:
            return FinishReason.STOP
        if self.completion_tokens == self.sampling.max_tokens:
            return FinishReason.LENGTH
        return FinishReason.LENGTH if self.num_tokens >= context_window else None

    @property
    def matched_stop(self) -> str:
        """Which of the stop sequences ended it; "": none."""
        return self._stop.matched

    @property
    def usage(self) -> Usage:
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cached_tokens=self.cached_tokens,
        )

    def timings(self, now: float) -> Timings:
        first, last = self.first_token_at, self.last_token_at
        return Timings(
            time_to_first_token=None if first is None else first - self.arrived_at,
            decode=0.0 if first is None or last is None else last - first,
            total=now - self.arrived_at,
        )
