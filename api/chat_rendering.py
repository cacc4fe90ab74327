"""Answers in the form of OpenAI's chat completions: whole, and as chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from api.answer import (
    Answer,
    Begins,
    Breaks,
    Ends,
    Part,
    Said,
    call_id,
    total,
)
from api.forced_call import CallArguments, CallBegins
from api.streams import StreamNote, data
from inference.types import SampledToken, Timings, TokenLogprob, Usage

DONE = b"data: [DONE]\n\n"


class ChatRenderer:
    """Role first, then what is said, the reason of its end last; usage if asked for."""

    def __init__(self, note: StreamNote, *, index: int = 0) -> None:
        self._note = note
        self._index = index

    def render(self, part: Part) -> Iterable[bytes]:
        match part:
            case Begins():
                return [self._chunk({"role": "assistant", "content": ""})]
            case Said(text, is_reasoning):
                delta = {"reasoning_content" if is_reasoning else "content": text}
                return [self._chunk(delta, tokens=part.tokens)]
            case CallBegins(index, name):
                return [self._call(index, name=name)]
            case CallArguments(index, text):
                return [self._call(index, arguments=text)]
            case Ends():
                return [self.ending(part), *self.closing(part.usage)]
            case Breaks(error):
                return [data(error.for_openai())]

    def ending(self, end: Ends) -> bytes:
        chunk = self._head([self._choice({}, end.reason)])
        return data({**chunk, "timings": timings(end.timings, end.usage)})

    def closing(self, used: Usage) -> Iterator[bytes]:
        if self._note.include_usage:
            yield data({**self._head([]), "usage": usage(used)})
        yield DONE

    def _call(self, index: int, *, name: str = "", arguments: str = "") -> bytes:
        call: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
        if name:
            call["id"] = call_id(f"{self._note.id}{self._index or ''}", index)
            call["type"] = "function"
            call["function"]["name"] = name
        return self._chunk({"tool_calls": [call]})

    def _chunk(self, delta: dict[str, Any], tokens: Sequence[SampledToken] = ()) -> bytes:
        choice = self._choice(delta, None)
        if self._note.logprobs and tokens:
            choice["logprobs"] = logprobs(tokens)
        return data(self._head([choice]))

    def _choice(self, delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": self._index, "delta": delta, "finish_reason": reason}

    def _head(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._note.id,
            "object": "chat.completion.chunk",
            "created": self._note.created,
            "model": self._note.model,
            "choices": choices,
        }


def whole_chat(note: StreamNote, answers: list[Answer]) -> dict[str, Any]:
    ends = [answer.end for answer in answers if answer.end]
    used = total([end.usage for end in ends])
    return {
        "id": note.id,
        "object": "chat.completion",
        "created": note.created,
        "model": note.model,
        "choices": [_choice(note, index, answer) for index, answer in enumerate(answers)],
        "usage": usage(used),
        "timings": timings(ends[0].timings, ends[0].usage),
    }


def _choice(note: StreamNote, index: int, answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["content"] = answer.text or None
        message["tool_calls"] = [
            {
                "id": call_id(f"{note.id}{index or ''}", place),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for place, call in enumerate(answer.calls)
        ]
    reason = answer.end.reason if answer.end else None
    choice = {"index": index, "message": message, "finish_reason": reason, "logprobs": None}
    if note.logprobs:
        choice["logprobs"] = logprobs(answer.tokens)
    return choice


def usage(used: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.prompt_tokens + used.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
    }


def timings(measured: Timings, used: Usage) -> dict[str, Any]:
    """As llama.cpp's server names them; milliseconds."""
    first = measured.time_to_first_token or 0.0
    seconds = measured.decode
    return {
        "cache_n": used.cached_tokens,
        "prompt_n": used.prompt_tokens - used.cached_tokens,
        "prompt_ms": round(first * 1000, 3),
        "predicted_n": used.completion_tokens,
        "predicted_ms": round(seconds * 1000, 3),
        "predicted_per_second": round((used.completion_tokens - 1) / seconds, 3)
        if seconds
        else 0.0,
        "total_ms": round(measured.total * 1000, 3),
    }


def logprobs(tokens: Sequence[SampledToken]) -> dict[str, Any]:
    return {
        "content": [
            {**_logprob(token.chosen), "top_logprobs": [_logprob(one) for one in token.top]}
            for token in tokens
        ],
        "refusal": None,
    }


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.piece.decode("utf-8", "replace"),
        "logprob": finite(token.logprob),
        "bytes": list(token.piece),
    }


def finite(logprob: float) -> float:
    """JSON has no infinity, and none of the clients expects null."""
    return max(logprob, -9999.0)
