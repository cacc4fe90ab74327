"""From OpenAI's messages to those of the engine. What a model here cannot read is refused in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

import msgspec

from api.errors import invalid, unsupported
from inference.limits import is_object
from inference.types import Called, ChatMessage, Role

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
TEXTS = ("text", "input_text", "output_text", "refusal")


class Part(msgspec.Struct, kw_only=True):
    type: str
    text: str | None = None
    refusal: str | None = None


class CalledFunction(msgspec.Struct, kw_only=True):
    name: str
    arguments: str | None = None


class GivenCall(msgspec.Struct, kw_only=True):
    id: str = ""
    type: str = "function"
    function: CalledFunction


class Message(msgspec.Struct, kw_only=True):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    tool_calls: list[GivenCall] | None = None
    tool_call_id: str | None = None


def messages_of(given: Sequence[Message], *, system_prompt: str = "") -> tuple[ChatMessage, ...]:
    """`system_prompt`: the model's own, where the request has none."""
    messages = [_message(one, place) for place, one in enumerate(given)]
    if system_prompt and not any(one.role == "system" for one in messages):
        messages.insert(0, ChatMessage("system", system_prompt))
    return with_one_system_prompt(messages)


def with_one_system_prompt(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Those that a conversation begins with become one: most chat templates know no second."""
    rest = list(messages)
    texts = []
    while rest and rest[0].role == "system":
        texts.append(rest.pop(0).content)
    first = [ChatMessage("system", "\n\n".join(texts))] if texts else []
    return (*first, *rest)


def with_turns_joined(said: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Turns of one role that follow each other are one: an answer and its calls, and what many chat templates
    refuse."""
    joined: list[ChatMessage] = []
    for one in said:
        if joined and one.role == joined[-1].role and one.role in ("user", "assistant"):
            before = joined.pop()
            text = "\n\n".join(filter(None, (before.content, one.content)))
            one = ChatMessage(one.role, text, (*before.tool_calls, *one.tool_calls))
        joined.append(one)
    return joined


def text_of_parts(content: str | Sequence[Part] | None, field: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        if part.type not in TEXTS:
            raise unsupported(
                f"Only text is taken here, not “{part.type}”. Leave it out, or describe it in words.",
                field,
            )
    return "".join(part.text or part.refusal or "" for part in content)


def _message(message: Message, place: int) -> ChatMessage:
    field = f"messages[{place}]"
    if message.role == "function":
        raise unsupported("Messages of the role “function” are called “tool” now.", field)
    text = text_of_parts(message.content, f"{field}.content")
    if message.role == "tool" and not message.tool_call_id:
        raise invalid(
            "A message of a tool names the call that it answers.", f"{field}.tool_call_id"
        )
    calls = message.tool_calls or ()
    return ChatMessage(
        ROLES[message.role],
        text,
        tuple(called(call.id, call.function.name, call.function.arguments) for call in calls),
        message.tool_call_id or "",
    )


def called(call_id: str, name: str, arguments: str | None) -> Called:
    """Chat templates need an object. What is none was most likely cut off at a limit, and comes back with the
    conversation that it is part of: it is kept as the text that it is."""
    arguments = arguments or "{}"
    if not is_object(arguments):
        arguments = json.dumps({"arguments": arguments})
    return Called(call_id, name, arguments)
