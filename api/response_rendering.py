"""Answers in the form of OpenAI's responses: whole, and as events of items that begin and end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

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
from api.errors import ApiError
from api.forced_call import CallArguments, CallBegins
from api.streams import StreamNote, data
from inference.types import Usage


class ResponseRenderer:
    """One item at a time is open: what is said in another way begins the next."""

    def __init__(self, note: StreamNote, *, index: int = 0) -> None:
        self._note = note
        self._number = 0
        self._items: list[dict[str, Any]] = []
        self._kind = ""
        self._text = ""

    def render(self, part: Part) -> Iterable[bytes]:
        match part:
            case Begins():
                return [self._state("response.created"), self._state("response.in_progress")]
            case Said(text, is_reasoning):
                return self._said("reasoning" if is_reasoning else "message", text)
            case CallBegins(index, name):
                return self._begun(f"call {index}", call_item(self._note, index, name))
            case CallArguments(_, text):
                self._text += text
                return [self._event("response.function_call_arguments.delta", delta=text)]
            case Ends():
                return [*self._closed(is_cut=part.reason == "length"), self._completed(part)]
            case Breaks(error):
                return [self._broken(error), self._failed(error)]

    def ending(self, end: Ends) -> bytes:
        raise NotImplementedError  # there is one answer only

    def closing(self, used: Usage) -> Iterable[bytes]:
        raise NotImplementedError

    def _said(self, kind: str, text: str) -> Iterator[bytes]:
        if self._kind != kind:
            make = message_item if kind == "message" else reasoning_item
            yield from self._begun(kind, make(self._note, len(self._items), ""))
            yield self._part("response.content_part.added", "")
        self._text += text
        yield self._event(f"{_text_event(kind)}.delta", delta=text, content_index=0)

    def _begun(self, kind: str, item: dict[str, Any]) -> Iterator[bytes]:
        yield from self._closed()
        self._kind, self._text = kind, ""
        empty = {**item, "status": "in_progress", **({"content": []} if "content" in item else {})}
        self._items.append(item)
        yield self._event("response.output_item.added", bare=True, **self._place(), item=empty)

    def _closed(self, *, is_cut: bool = False) -> Iterator[bytes]:
        if not self._kind:
            return
        item = self._items[-1]
        item["status"] = _status(is_cut)
        if "content" in item:
            item["content"][0]["text"] = self._text
            yield self._event(f"{_text_event(self._kind)}.done", text=self._text, content_index=0)
            yield self._part("response.content_part.done", self._text)
        else:
            item["arguments"] = self._text
            yield self._event(
                "response.function_call_arguments.done", arguments=self._text, name=item["name"]
            )
        yield self._event("response.output_item.done", bare=True, **self._place(), item=item)
        self._kind = ""

    def _part(self, kind: str, text: str) -> bytes:
        part = {**self._items[-1]["content"][0], "text": text}
        return self._event(kind, content_index=0, part=part)

    def _completed(self, end: Ends) -> bytes:
        kind = "response.incomplete" if end.reason == "length" else "response.completed"
        return self._event(kind, bare=True, response=body(self._note, self._items, end))

    def _broken(self, error: ApiError) -> bytes:
        told = {name: fact for name, fact in error.for_openai()["error"].items() if name != "type"}
        return self._event("error", bare=True, **told)

    def _failed(self, error: ApiError) -> bytes:
        told = {"code": error.code, "message": str(error)}
        response = {**body(self._note, self._items, None), "status": "failed", "error": told}
        return self._event("response.failed", bare=True, response=response)

    def _state(self, kind: str) -> bytes:
        return self._event(kind, bare=True, response=body(self._note, [], None))

    def _place(self) -> dict[str, Any]:
        return {"output_index": len(self._items) - 1}

    def _event(self, kind: str, *, bare: bool = False, **fields: Any) -> bytes:
        """`bare`: of no item."""
        of_item = {} if bare else {"item_id": self._items[-1]["id"], **self._place()}
        event = {"type": kind, "sequence_number": self._number, **of_item, **fields}
        self._number += 1
        return data(event, name=kind)


def whole_response(note: StreamNote, answers: list[Answer]) -> dict[str, Any]:
    (answer,) = answers
    items: list[dict[str, Any]] = []
    if answer.reasoning:
        items.append(reasoning_item(note, len(items), answer.reasoning))
    if answer.text:
        items.append(message_item(note, len(items), answer.text))
    for place, call in enumerate(answer.calls):
        items.append({**call_item(note, place, call.name), "arguments": call.arguments})
    if items:
        items[-1]["status"] = _status(answer.end is not None and answer.end.reason == "length")
    return body(note, items, answer.end)


def body(note: StreamNote, items: list[dict[str, Any]], end: Ends | None) -> dict[str, Any]:
    status = "in_progress" if end is None else "completed"
    is_cut = end is not None and end.reason == "length"
    response = {
        "id": note.id,
        "object": "response",
        "created_at": note.created,
        "status": "incomplete" if is_cut else status,
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "error": None,
        "model": note.model,
        "output": items,
        "previous_response_id": None,
        "store": False,
        "usage": usage(end.usage) if end else None,
        **note.more,
    }
    return {**response, "timings": timings(end.timings, end.usage)} if end else response


def usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.prompt_tokens,
        "input_tokens_details": {"cached_tokens": used.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": used.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used.prompt_tokens + used.completion_tokens,
    }


def message_item(note: StreamNote, place: int, text: str) -> dict[str, Any]:
    return {
        "id": call_id(note.id, place, prefix="msg_"),
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
    }


def reasoning_item(note: StreamNote, place: int, text: str) -> dict[str, Any]:
    return {
        "id": call_id(note.id, place, prefix="rs_"),
        "type": "reasoning",
        "status": "completed",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": text}],
    }


def call_item(note: StreamNote, index: int, name: str) -> dict[str, Any]:
    return {
        "id": call_id(note.id, index, prefix="fc_"),
        "type": "function_call",
        "status": "completed",
        "call_id": call_id(note.id, index),
        "name": name,
        "arguments": "",
    }


def _status(is_cut: bool) -> str:
    """Of an item: a call that was cut off is not to be carried out."""
    return "incomplete" if is_cut else "completed"


def _text_event(kind: str) -> str:
    return "response.output_text" if kind == "message" else "response.reasoning_text"
