"""One answer as it comes in: from the chunks of a server to the events of its generation. Pure; the
clock is an argument.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from inference.engine.detokenizer import StopMatcher
from inference.engine.families import CHATML
from inference.engine.separator import Part, Separator, Text
from inference.engine.tool_calls import Call
from inference.errors import InferenceError, RemoteRefused, RemoteUnreachable
from inference.limits import MAX_TOOLS_CHARACTERS, TOOL_NAME
from inference.messages import Start
from inference.remote.chunks import CallPart, Chunk, reason_of
from inference.types import (
    Delta,
    Event,
    Failed,
    Finished,
    FinishReason,
    SampledToken,
    Timings,
    ToolCall,
    Usage,
)

MAX_CHARACTERS = 8 * 1024 * 1024


class Answer:
    """`separates` False: thinking and tool calls stand in the text of this server's answers."""

    def __init__(self, start: Start, *, separates: bool, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._arrived_at = clock()
        self._first_at: float | None = None
        self._last_at = 0.0
        self._num_characters = 0
        self._num_pieces = 0
        self._usage: Usage | None = None
        self._reason = ""
        self._told_stop = ""
        self._stop = StopMatcher(start.sampling.stop)
        self._wants_logprobs = start.sampling.logprobs is not None
        self._calls: list[CallPart] = []
        self._num_calls = 0
        is_plain = separates or start.prompt is not None or start.sampling.output is not None
        self._separator = None if is_plain else Separator(CHATML, has_tools=bool(start.tools))

    @property
    def is_whole(self) -> bool:
        """The server has said why it ended."""
        return bool(self._reason)

    @property
    def is_stopped(self) -> bool:
        """A stop sequence has come that the server did not see."""
        return bool(self._stop.matched)

    def take(self, chunk: Chunk) -> list[Event]:
        """Raises RemoteRefused for more than any honest answer."""
        self._usage = chunk.usage or self._usage
        self._reason = chunk.reason or self._reason
        self._told_stop = chunk.stop or self._told_stop
        for part in chunk.calls:
            self._add_call(part)
        if not (chunk.text or chunk.reasoning or chunk.calls or chunk.tokens):
            return []
        self._note(chunk)
        thought = [Text(chunk.reasoning, is_reasoning=True)] if chunk.reasoning else []
        return self._shown([*thought, *self._separated(chunk.text)], chunk.tokens)

    def end(self) -> None:
        """The server says that nothing follows, with a reason or without one."""
        self._reason = self._reason or "stop"

    def finish(self) -> list[Event]:
        """The stream has come to its end. Raises RemoteUnreachable if the answer had not."""
        if not self.is_whole:
            raise RemoteUnreachable(
                "The server broke off in mid-answer. The text so far is kept.", reason="broke_off"
            )
        rest = self._shown(self._separator.finish() if self._separator else [], ())
        reason = reason_of(self._reason)
        calls = self._whole_calls(is_cut=reason is FinishReason.LENGTH)
        if held := self._stop.finish():
            rest.append(Delta(held, self._num_pieces))
        reason = FinishReason.TOOL_CALLS if self._num_calls else reason
        stop = self._stop.matched or self._told_stop
        return [*rest, *calls, Finished(reason, self.usage, self._timings(), stop)]

    def cancelled(self) -> Finished:
        return Finished(FinishReason.CANCELLED, self.usage, self._timings())

    def failed(self, error: InferenceError) -> Failed:
        return Failed(error.info, self.usage if self._num_pieces else None, self._timings())

    @property
    def usage(self) -> Usage:
        """What the server told, or else the number of pieces that came."""
        counted = Usage(prompt_tokens=0, completion_tokens=self._num_pieces, is_exact=False)
        return self._usage or counted

    def _note(self, chunk: Chunk) -> None:
        self._last_at = self._clock()
        self._first_at = self._last_at if self._first_at is None else self._first_at
        self._num_pieces += max(1, len(chunk.tokens))
        self._num_characters += len(chunk.text) + len(chunk.reasoning)
        if self._num_characters > MAX_CHARACTERS:
            raise RemoteRefused("The server's answer is longer than any honest one.")

    def _separated(self, text: str) -> list[Part]:
        if self._separator is not None:
            return self._separator.feed(text)
        return [Text(text)] if text else []

    def _shown(self, parts: list[Part], tokens: tuple[SampledToken, ...]) -> list[Event]:
        events: list[Event] = []
        told = tokens if self._wants_logprobs else ()
        for part in parts:
            if isinstance(part, Call):
                events.append(self._called(part.name, part.arguments))
            elif text := part.text if part.is_reasoning else self._stop.feed(part.text):
                events.append(Delta(text, self._num_pieces, part.is_reasoning, told))
                told = ()
        return [*events, Delta("", self._num_pieces, tokens=told)] if told else events

    def _called(self, name: str, arguments: str) -> ToolCall:
        self._num_calls += 1
        return ToolCall(self._num_calls - 1, name, arguments)

    def _add_call(self, part: CallPart) -> None:
        """Its index tells which call a piece belongs to; some servers give all the same one."""
        places = [place for place, one in enumerate(self._calls) if one.index == part.index]
        if not places or (part.name and self._calls[places[-1]].arguments):
            self._calls.append(part)
            return
        old = self._calls[places[-1]]
        arguments = old.arguments + part.arguments
        if len(arguments) > MAX_TOOLS_CHARACTERS:
            raise RemoteRefused("The server's tool call is longer than any honest one.")
        self._calls[places[-1]] = CallPart(old.index, old.name or part.name, arguments)

    def _whole_calls(self, *, is_cut: bool) -> list[Event]:
        """Without one that the limit of tokens cut off. Raises RemoteRefused for what is no call."""
        events: list[Event] = []
        for call in self._calls:
            arguments = call.arguments.strip() or "{}"
            if TOOL_NAME.fullmatch(call.name) and _is_object(arguments):
                events.append(self._called(call.name, arguments))
            elif not is_cut:
                raise RemoteRefused("The server sent a tool call that makes no sense.")
        return events

    def _timings(self) -> Timings:
        first = self._first_at
        return Timings(
            time_to_first_token=None if first is None else first - self._arrived_at,
            decode=0.0 if first is None else self._last_at - first,
            total=self._clock() - self._arrived_at,
        )


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
