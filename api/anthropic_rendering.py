"""Answers in the form of Anthropic's messages: whole, and as events of blocks that begin and end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from api.answer import (
    Answer,
    Begins,
    Breaks,
    Ends,
    Part,
    Said,
    call_id,
)
from api.chat_rendering import timings
from api.forced_call import CallArguments, CallBegins
from api.streams import StreamNote, data
from inference.types import Usage

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class MessageRenderer:
    """One block at a time is open: what is said in another way begins the next."""

    def __init__(self, note: StreamNote, *, index: int = 0) -> None:
        self._note = note
        self._index = -1
        self._open = ""

    def render(self, part: Part) -> Iterable[bytes]:
        match part:
            case Begins():
                return [_event("message_start", message=_message(self._note, [], None))]
            case Said(text, is_reasoning):
                return self._said("thinking" if is_reasoning else "text", text)
            case CallBegins(index, name):
                return self._call(index, name)
            case CallArguments(_, text):
                return [self._delta("input_json_delta", partial_json=text)]
            case Ends():
                return [*self._closed(), *self._end(part)]
            case Breaks(error):
                return [data(error.for_anthropic(self._note.id), name="error")]

    def ending(self, end: Ends) -> bytes:
        raise NotImplementedError  # there is one answer only

    def closing(self, used: Usage) -> Iterable[bytes]:
        raise NotImplementedError

    def _said(self, kind: str, text: str) -> Iterator[bytes]:
        if self._open != kind:
            empty = {"thinking": "", "signature": ""} if kind == "thinking" else {"text": ""}
            yield from self._opened(kind, {"type": kind, **empty})
        yield self._delta(f"{kind}_delta", **{kind: text})

    def _call(self, index: int, name: str) -> Iterator[bytes]:
        block = {
            "type": "tool_use",
            "id": call_id(self._note.id, index, prefix="toolu_"),
            "name": name,
            "input": {},
        }
        yield from self._opened(f"call {index}", block)

    def _opened(self, kind: str, block: dict[str, Any]) -> Iterator[bytes]:
        yield from self._closed()
        self._index += 1
        self._open = kind
        yield _event("content_block_start", index=self._index, content_block=block)

    def _closed(self) -> Iterator[bytes]:
        if self._open == "thinking":
            yield self._delta("signature_delta", signature="")
        if self._open:
            yield _event("content_block_stop", index=self._index)
        self._open = ""

    def _delta(self, kind: str, **fields: str) -> bytes:
        return _event("content_block_delta", index=self._index, delta={"type": kind, **fields})

    def _end(self, end: Ends) -> Iterator[bytes]:
        delta = {"stop_reason": _reason(end), "stop_sequence": end.stop or None}
        yield _event("message_delta", delta=delta, usage=usage(end.usage))
        yield _event("message_stop")


def whole_message(note: StreamNote, answers: list[Answer]) -> dict[str, Any]:
    (answer,) = answers
    blocks: list[dict[str, Any]] = []
    if answer.reasoning:
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": ""})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    for place, call in enumerate(answer.calls):
        name = call_id(note.id, place, prefix="toolu_")
        given = _input(call.arguments)
        blocks.append({"type": "tool_use", "id": name, "name": call.name, "input": given})
    return _message(note, blocks, answer.end)


def usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.prompt_tokens - used.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": used.cached_tokens,
        "output_tokens": used.completion_tokens,
    }


def _message(note: StreamNote, blocks: list[dict[str, Any]], end: Ends | None) -> dict[str, Any]:
    used = end.usage if end else Usage(prompt_tokens=0, completion_tokens=0)
    message = {
        "id": note.id,
        "type": "message",
        "role": "assistant",
        "model": note.model,
        "content": blocks,
        "stop_reason": _reason(end) if end else None,
        "stop_sequence": (end.stop or None) if end else None,
        "usage": usage(used),
    }
    return {**message, "timings": timings(end.timings, end.usage)} if end else message


def _reason(end: Ends) -> str:
    return "stop_sequence" if end.stop else STOP_REASONS[end.reason]


def _input(arguments: str) -> object:
    """Cut off by a limit it is no JSON; then there is nothing to hand over."""
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return {}


def _event(kind: str, **fields: Any) -> bytes:
    return data({"type": kind, **fields}, name=kind)
