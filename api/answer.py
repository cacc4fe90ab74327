"""What a generation's log says, in the parts that every API knows: text, reasoning, calls, the end.

The same log gives the same parts, whenever it is read: that is what makes streams resumable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from api.errors import ApiError, of_inference
from api.forced_call import CallArguments, CallBegins, CallPart, ForcedCall
from inference.types import (
    Delta,
    Event,
    Failed,
    Finished,
    FinishReason,
    Loading,
    Moved,
    Queued,
    SampledToken,
    Shortened,
    Timings,
    ToolCall,
    Usage,
)

Reason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True)
class Begins:
    """The model is at it."""


@dataclass(frozen=True)
class Said:
    text: str
    is_reasoning: bool = False
    tokens: tuple[SampledToken, ...] = ()


@dataclass(frozen=True)
class Ends:
    """`stop`: the stop sequence that it ended with."""

    reason: Reason
    usage: Usage
    timings: Timings
    stop: str = ""


@dataclass(frozen=True)
class Breaks:
    error: ApiError


Part = Begins | Said | CallPart | Ends | Breaks
WAITING = (Queued, Loading, Shortened, Moved)


class AnswerReader:
    """`forced`: the name of the tool that has to be called, "" for one of several; None: no call has to
    come. `one_call`: further ones are left out. `on_move`: told when it is another model's."""

    def __init__(
        self,
        *,
        forced: str | None = None,
        one_call: bool = False,
        on_move: Callable[[Moved], None] = lambda event: None,
    ) -> None:
        self._on_move = on_move
        self._forced = None if forced is None else ForcedCall(forced)
        self._one_call = one_call
        self._has_begun = False
        self._num_calls = 0

    def feed(self, event: Event) -> list[Part]:
        if isinstance(event, Moved):
            self._on_move(event)
        if isinstance(event, WAITING):
            return []
        if isinstance(event, Failed):
            return [Breaks(of_inference(event.error))]
        begins: list[Part] = [] if self._has_begun else [Begins()]
        self._has_begun = True
        return [*begins, *self._parts(event)]

    def _parts(self, event: Event) -> list[Part]:
        match event:
            case Delta(is_reasoning=False) if self._forced:
                return self._noted(self._forced.feed(event.text))
            case Delta():
                return [Said(event.text, event.is_reasoning, event.tokens)]
            case ToolCall(index=index) if not (self._one_call and index):
                return self._noted(
                    [CallBegins(index, event.name), CallArguments(index, event.arguments)]
                )
            case Finished():
                return self._ended(event)
        return []

    def _noted(self, parts: list[CallPart]) -> list[Part]:
        self._num_calls += sum(isinstance(part, CallBegins) for part in parts)
        return [*parts]

    def _ended(self, event: Finished) -> list[Part]:
        if event.reason is FinishReason.CANCELLED:
            return [Breaks(ApiError(499, "This answer was stopped.", code="cancelled"))]
        rest = self._noted(self._forced.finish()) if self._forced else []
        return [*rest, Ends(self._reason(event.reason), event.usage, event.timings, event.stop)]

    def _reason(self, reason: FinishReason) -> Reason:
        if reason is FinishReason.LENGTH:
            return "length"
        return "tool_calls" if self._num_calls else "stop"


@dataclass
class Call:
    name: str
    arguments: str = ""


@dataclass
class Answer:
    """The parts put together."""

    text: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    tokens: list[SampledToken] = field(default_factory=list)
    end: Ends | None = None

    def add(self, part: Part) -> None:
        """Raises the error that it broke off with."""
        match part:
            case Said(text, is_reasoning, tokens):
                if is_reasoning:
                    self.reasoning += text
                else:
                    self.text += text
                self.tokens.extend(tokens)
            case CallBegins(name=name):
                self.calls.append(Call(name))
            case CallArguments(text=text):
                self.calls[-1].arguments += text
            case Ends():
                self.end = part
            case Breaks(error):
                raise error


def call_id(generation_id: str, index: int, *, prefix: str = "call_") -> str:
    """The same each time the log is read."""
    return prefix + hashlib.sha256(f"{generation_id}/{index}".encode()).hexdigest()[:24]


def total_of_prompts(usages: list[Usage], *, per_prompt: int) -> Usage:
    """Of so many answers to each of several prompts, in order."""
    groups = [usages[start : start + per_prompt] for start in range(0, len(usages), per_prompt)]
    totals = [total(group) for group in groups]
    return Usage(
        prompt_tokens=sum(one.prompt_tokens for one in totals),
        completion_tokens=sum(one.completion_tokens for one in totals),
        cached_tokens=sum(one.cached_tokens for one in totals),
    )


def total(usages: list[Usage]) -> Usage:
    """Of several answers to one prompt: the prompt counts once."""
    return Usage(
        prompt_tokens=max(one.prompt_tokens for one in usages),
        completion_tokens=sum(one.completion_tokens for one in usages),
        cached_tokens=max(one.cached_tokens for one in usages),
    )
