"""POST /v1/messages: what Anthropic's clients send, as messages, tools and sampling of the engine."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from api import bodies
from api.conversation import with_one_system_prompt, with_turns_joined
from api.errors import invalid, unsupported
from api.tools import Offer, choose
from inference.types import Called, ChatMessage, Tool

BILLING = "x-anthropic-billing-header:"


class Block(msgspec.Struct, kw_only=True):
    """One part of a message's content; which fields it has depends on its type."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.field(default_factory=bodies.left_out)
    tool_use_id: str = ""
    content: str | list[Block] | None = None
    is_error: bool | None = None


class Message(msgspec.Struct, kw_only=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class GivenTool(msgspec.Struct, kw_only=True):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.field(default_factory=bodies.left_out)
    strict: bool | None = None


class ToolChoice(msgspec.Struct, kw_only=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct, kw_only=True):
    type: str = ""
    budget_tokens: int | None = None


class Countable(msgspec.Struct, kw_only=True):
    """What the length of a prompt follows from."""

    messages: list[Message]
    model: str = ""
    system: str | list[Block] | None = None
    tools: list[GivenTool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None


class MessagesRequest(Countable, kw_only=True):
    max_tokens: int
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    seed: int | None = None
    stop_sequences: list[str] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None
    mcp_servers: list[Any] | None = None
    backend: str | None = None
    resumable: bool | None = None


def messages_of(asked: Countable, *, system_prompt: str) -> tuple[ChatMessage, ...]:
    """`system_prompt`: the model's own, where the request has none."""
    said: list[ChatMessage] = []
    system = _text(_without_noise(asked.system or ""), "system") or system_prompt
    if system:
        said.append(ChatMessage("system", system))
    for place, message in enumerate(asked.messages):
        said.extend(_messages(message, f"messages[{place}]"))
    return with_one_system_prompt(with_turns_joined(said))


def offer_of(asked: Countable) -> Offer:
    tools = tuple(_tool(tool) for tool in asked.tools or ())
    choice = asked.tool_choice
    wanted = {"any": "required", "tool": f"={choice.name}"} if choice else {}
    kind = choice.type if choice else "auto"
    strict = frozenset(tool.name for tool in asked.tools or () if tool.strict)
    return choose(tools, wanted.get(kind, kind), strict=strict)


def template_options(asked: Countable) -> str:
    """As far as the model's chat template knows of thinking."""
    if asked.thinking is None:
        return ""
    return json.dumps({"enable_thinking": asked.thinking.type != "disabled"})


def _messages(message: Message, field: str) -> list[ChatMessage]:
    """Results of tools are messages of their own, before what the user adds."""
    if isinstance(message.content, str):
        return [ChatMessage(message.role, message.content)]
    results = [_result(block, field) for block in message.content if block.type == "tool_result"]
    calls = tuple(_called(block) for block in message.content if block.type == "tool_use")
    rest = [block for block in message.content if block.type not in ("tool_result", "tool_use")]
    text = _text(rest, field)
    if text or calls or not results:
        return [*results, ChatMessage(message.role, text, calls)]
    return results


def _result(block: Block, field: str) -> ChatMessage:
    if not block.tool_use_id:
        raise invalid("A result names the call that it answers.", f"{field}.tool_use_id")
    return ChatMessage("tool", _text(block.content or "", field), call_id=block.tool_use_id)


def _called(block: Block) -> Called:
    return Called(block.id, block.name, bodies.text_of(block.input) or "{}")


def _without_noise(system: str | list[Block]) -> str | list[Block]:
    """Claude Code puts a line with a number of its own before each request, which is nothing for the model,
    and with which no two prompts would begin alike."""
    if isinstance(system, str):
        return system
    return [block for block in system if not block.text.startswith(BILLING)]


def _text(content: str | list[Block], field: str) -> str:
    if isinstance(content, str):
        return content
    for block in content:
        if block.type not in ("text", "thinking", "redacted_thinking"):
            raise unsupported(
                f"Only text is taken here, not “{block.type[:40]}”. Leave it out, or describe it.",
                f"{field}.content",
            )
    return "\n".join(block.text for block in content if block.type == "text")


def _tool(tool: GivenTool) -> Tool:
    if tool.type not in (None, "custom"):
        raise unsupported(f"There is no tool “{tool.type}” here, only your own.", "tools")
    return Tool(
        tool.name, tool.description or "", bodies.text_of(tool.input_schema) or '{"type":"object"}'
    )
