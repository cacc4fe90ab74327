"""POST /v1/responses: what its clients send, as messages, tools and form of the engine. Nothing is stored."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from api import bodies
from api.chat import ThinkingFields
from api.conversation import (
    ROLES,
    Part,
    called,
    text_of_parts,
    with_one_system_prompt,
    with_turns_joined,
)
from api.errors import invalid, unsupported
from api.tools import ONLY_FUNCTIONS, Offer, choose
from inference.types import ChatMessage, OutputFormat, Tool


class Item(msgspec.Struct, kw_only=True):
    """One thing of a conversation; which fields it has depends on its type."""

    type: str = "message"
    role: str = ""
    content: str | list[Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str | None = None
    output: str | list[Part] | None = None


class GivenTool(msgspec.Struct, kw_only=True):
    type: str
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = msgspec.field(default_factory=bodies.left_out)
    strict: bool | None = None


class NamedTool(msgspec.Struct, kw_only=True):
    type: str
    name: str = ""


class Format(msgspec.Struct, kw_only=True):
    type: str
    schema: msgspec.Raw = msgspec.field(default_factory=bodies.left_out)


class TextOptions(msgspec.Struct, kw_only=True):
    format: Format | None = None
    verbosity: str | None = None


class Reasoning(msgspec.Struct, kw_only=True):
    effort: str | None = None


class ResponsesRequest(ThinkingFields, kw_only=True):
    input: str | list[Item]
    model: str = ""
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    tools: list[GivenTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: Reasoning | None = None
    top_logprobs: int | None = None
    metadata: dict[str, str] | None = None
    resumable: bool | None = None
    # Known, and not there.
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    store: bool | None = None
    prompt: Any = None


def refuse_unsupported(asked: ResponsesRequest) -> None:
    if asked.previous_response_id or asked.conversation:
        raise unsupported(
            "Responses are not stored here: send the whole conversation as “input”.",
            "previous_response_id",
        )
    if asked.background:
        raise unsupported("Responses cannot be had later. Use a stream.", "background")
    if asked.prompt:
        raise unsupported("There are no stored prompts here.", "prompt")
    if asked.text and asked.text.verbosity not in (None, "medium"):
        raise unsupported("How much is said cannot be set; say it in the prompt.", "text.verbosity")
    if asked.top_logprobs:
        raise unsupported("There are no logprobs here. Use /v1/chat/completions.", "top_logprobs")


def messages_of(asked: ResponsesRequest, *, system_prompt: str) -> tuple[ChatMessage, ...]:
    """`system_prompt`: the model's own, where the request has none."""
    items = (
        [Item(role="user", content=asked.input)] if isinstance(asked.input, str) else asked.input
    )
    said = [one for place, item in enumerate(items) for one in _messages(item, f"input[{place}]")]
    said = with_turns_joined(said)
    if asked.instructions:
        said.insert(0, ChatMessage("system", asked.instructions))
    elif system_prompt and not any(one.role == "system" for one in said):
        said.insert(0, ChatMessage("system", system_prompt))
    return with_one_system_prompt(said)


def offer_of(asked: ResponsesRequest) -> Offer:
    for tool in asked.tools or ():
        if tool.type != "function":
            raise unsupported(f"There is no tool “{tool.type}” here, only functions.", "tools")
    tools = tuple(
        Tool(one.name, one.description or "", bodies.text_of(one.parameters) or '{"type":"object"}')
        for one in asked.tools or ()
    )
    choice = asked.tool_choice
    if isinstance(choice, NamedTool) and choice.type != "function":
        raise unsupported(ONLY_FUNCTIONS.format(choice.type[:40]), "tool_choice")
    wanted = f"={choice.name}" if isinstance(choice, NamedTool) else choice or "auto"
    strict = frozenset(one.name for one in asked.tools or () if one.strict)
    return choose(tools, wanted, strict=strict)


def output_of(asked: ResponsesRequest) -> OutputFormat | None:
    form = asked.text.format if asked.text else None
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return OutputFormat(json_schema='{"type":"object"}')
    if form.type == "json_schema":
        return OutputFormat(json_schema=bodies.text_of(form.schema) or "{}")
    raise unsupported(
        f"“text.format” can be text, json_object or json_schema, not “{form.type[:40]}”.",
        "text.format",
    )


def _messages(item: Item, field: str) -> list[ChatMessage]:
    match item.type:
        case "message":
            if item.role not in ROLES or item.role == "tool":
                raise invalid(f"There is no role “{item.role[:40]}”.", f"{field}.role")
            return [ChatMessage(ROLES[item.role], text_of_parts(item.content, field))]
        case "function_call":
            call = called(item.call_id, item.name, item.arguments)
            return [ChatMessage("assistant", "", (call,))]
        case "function_call_output":
            return [ChatMessage("tool", text_of_parts(item.output, field), call_id=item.call_id)]
        case "reasoning":
            return []
    raise unsupported(f"“{item.type[:40]}” cannot be taken here.", f"{field}.type")
