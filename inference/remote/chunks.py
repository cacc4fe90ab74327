"""What a chunk of a stream says: each field has the type that it should have, or is as if it had not
been said. Pure.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, TypeGuard

from inference.errors import RemoteRefused
from inference.remote.bodies import error_words
from inference.types import FinishReason, SampledToken, TokenLogprob, Usage

MAX_COUNT = 2**31 - 1
MAX_CALLS = 128
REASONS = {
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
}


@dataclass(frozen=True)
class CallPart:
    """Of a tool call, which come in pieces: `name` once, `arguments` bit by bit."""

    index: int
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True)
class Chunk:
    """`reason`: why it ended, as the server calls it, "" as long as it goes on. `stop`: which stop
    sequence it was, if the server tells."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[CallPart, ...] = ()
    tokens: tuple[SampledToken, ...] = ()
    reason: str = ""
    stop: str = ""
    usage: Usage | None = None


def chunk_of(event: bytes) -> Chunk:
    """Raises RemoteRefused for an error in the stream, and for what is no chunk."""
    try:
        said = json.loads(event)
    except (ValueError, RecursionError) as error:
        raise RemoteRefused(
            "The server's answer makes no sense: a part of it is no JSON."
        ) from error
    if not isinstance(said, dict):
        raise RemoteRefused("The server's answer makes no sense: a part of it is no object.")
    if said.get("error"):
        words = error_words(said)
        raise RemoteRefused(
            "The server broke off with an error." + (f" It says: {words}" if words else "")
        )
    choices = said.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    usage = usage_of(said.get("usage"))
    return _of_choice(first, usage) if isinstance(first, dict) else Chunk(usage=usage)


def usage_of(told: object) -> Usage | None:
    if not isinstance(told, dict):
        return None
    prompt, completion = _count(told.get("prompt_tokens")), _count(told.get("completion_tokens"))
    if prompt is None:
        return None
    details = told.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion or 0,
        cached_tokens=min(cached or 0, prompt),
    )


def reason_of(word: str) -> FinishReason:
    return REASONS.get(word, FinishReason.STOP)


def _of_choice(choice: dict[str, Any], usage: Usage | None) -> Chunk:
    """A `message` is what comes where a server does not stream."""
    given = (choice.get(name) for name in ("delta", "message"))
    said: dict[str, Any] = next(filter(_is_object, given), {})
    return Chunk(
        text=_text(said.get("content")) or _text(choice.get("text")),
        reasoning=_text(said.get("reasoning_content")) or _text(said.get("reasoning")),
        calls=_calls(said.get("tool_calls")),
        tokens=_tokens(choice.get("logprobs")),
        reason=_text(choice.get("finish_reason"))[:40],
        stop=_text(choice.get("stop_reason"))[:300],
        usage=usage,
    )


def _calls(told: object) -> tuple[CallPart, ...]:
    parts = told if isinstance(told, list) else []
    found = (_call(place, one) for place, one in enumerate(parts[:MAX_CALLS]) if _is_object(one))
    return tuple(one for one in found if one is not None)


def _call(place: int, told: dict[str, Any]) -> CallPart | None:
    function = told.get("function")
    if not _is_object(function):
        return None
    index, arguments = _count(told.get("index")), function.get("arguments")
    if _is_object(arguments):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return CallPart(
        place if index is None else index, _text(function.get("name")), _text(arguments)
    )


def _tokens(told: object) -> tuple[SampledToken, ...]:
    """In the form of chats, or the older one of completions."""
    if not isinstance(told, dict):
        return ()
    content = told.get("content")
    if isinstance(content, list):
        return tuple(_sampled(one) for one in content if _is_object(one))
    names, values, tops = (told.get(one) for one in ("tokens", "token_logprobs", "top_logprobs"))
    if not isinstance(names, list) or not isinstance(values, list):
        return ()
    likeliest = tops if isinstance(tops, list) else []
    return tuple(
        SampledToken(_old(name, value), _old_top(likeliest, place))
        for place, (name, value) in enumerate(zip(names, values, strict=False))
    )


def _sampled(told: dict[str, Any]) -> SampledToken:
    top = told.get("top_logprobs")
    likeliest = [_logprob(one) for one in top if _is_object(one)] if isinstance(top, list) else []
    likeliest.sort(key=lambda one: -one.logprob)
    return SampledToken(_logprob(told), tuple(likeliest))


def _logprob(told: dict[str, Any]) -> TokenLogprob:
    return TokenLogprob(_bytes(told.get("bytes"), told.get("token")), _number(told.get("logprob")))


def _old(name: object, value: object) -> TokenLogprob:
    return TokenLogprob(_text(name).encode("utf-8", "replace"), _number(value))


def _old_top(likeliest: list[Any], place: int) -> tuple[TokenLogprob, ...]:
    told = likeliest[place] if place < len(likeliest) else None
    found = [_old(name, value) for name, value in told.items()] if isinstance(told, dict) else []
    return tuple(sorted(found, key=lambda one: -one.logprob))


def _bytes(told: object, text: object) -> bytes:
    if isinstance(told, list) and all(type(one) is int and 0 <= one < 256 for one in told):
        return bytes(told)
    return _text(text).encode("utf-8", "replace")


def _number(value: object) -> float:
    """A logarithm of a probability; a server that does not know it says null."""
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return min(float(value), 0.0) if is_number else -9999.0  # type: ignore[arg-type]


def _text(value: object) -> str:
    """Without halves of characters, which no frame can carry."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
