"""Tools of a request, and what a model that has to call one must write.

A call that is free to come or not is read from the model's own notation by the engine. One that has
to come is written as JSON that fits the tool, under a grammar: the arguments alone where the tool is
known, else an object of name and arguments, in this order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from api import bodies
from api.errors import invalid, unsupported
from inference.output_format import REFUSED
from inference.types import OutputFormat, SamplingParams, Tool

Choice = Literal["auto", "none", "required"]
ONLY_FUNCTIONS = "“tool_choice” can name a function, and is not taken as “{}”: send those tools only that may be called."
ANY_OBJECT = {"type": "object"}


class FunctionTool(msgspec.Struct, kw_only=True):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = msgspec.field(default_factory=bodies.left_out)
    strict: bool | None = None


class GivenTool(msgspec.Struct, kw_only=True):
    type: str = "function"
    function: FunctionTool | None = None


class NamedFunction(msgspec.Struct):
    name: str


class NamedTool(msgspec.Struct, kw_only=True):
    type: str = "function"
    function: NamedFunction | None = None


@dataclass(frozen=True)
class Offer:
    """What the model may call. `forced`: the names of which it has to call one."""

    tools: tuple[Tool, ...] = ()
    forced: tuple[str, ...] = ()
    strict: frozenset[str] = frozenset()

    @property
    def output(self) -> OutputFormat | None:
        """The form of a call that has to come."""
        try:
            return self._form_of_call() if self.forced else None
        except RecursionError as error:
            raise invalid("The parameters of a tool are nested too deeply.", "tools") from error

    def _form_of_call(self) -> OutputFormat:
        tools = [tool for tool in self.tools if tool.name in self.forced]
        if len(tools) == 1:
            schema = _schema(tools[0], is_strict=tools[0].name in self.strict)
            return OutputFormat(json_schema=json.dumps(schema))
        return OutputFormat(json_schema=json.dumps(self._any_of(tools)))

    def output_or(self, form: OutputFormat | None, field: str) -> OutputFormat | None:
        """`form`: what the request wants of the answer, in `field`. Under a form no call can be written."""
        if form is None:
            return self.output
        if self.tools:
            raise unsupported(
                f"“tools” and “{field}” cannot be had together: leave out one of them, or send “tool_choice”: "
                "none.",
                field,
            )
        return form

    def unstopped(self, params: SamplingParams) -> SamplingParams:
        """A call that has to come is written to its end, whatever is in it."""
        return msgspec.structs.replace(params, stop=()) if self.forced else params

    def _any_of(self, tools: list[Tool]) -> dict[str, Any]:
        """References lead to the top of a schema: what they name goes there, by tool."""
        definitions: dict[str, Any] = {}
        calls = []
        for number, tool in enumerate(tools):
            schema = _schema(tool, is_strict=tool.name in self.strict)
            definitions |= _taken_out(schema, number)
            calls.append(_call(tool.name, _renamed(schema, number)))
        return {"anyOf": calls, "$defs": definitions}


def offer_of(
    given: list[GivenTool] | None, choice: Choice | NamedTool | None, *, field: str = "tools"
) -> Offer:
    """OpenAI's form of tools."""
    functions = [_function(tool, field) for tool in given or ()]
    tools = tuple(
        Tool(one.name, one.description or "", bodies.text_of(one.parameters) or '{"type":"object"}')
        for one in functions
    )
    strict = frozenset(one.name for one in functions if one.strict)
    return choose(tools, _wanted(choice), strict=strict)


def choose(tools: tuple[Tool, ...], wanted: str, *, strict: frozenset[str] = frozenset()) -> Offer:
    """`wanted`: "auto", "none", "required", or "=" and a tool's name."""
    names = [tool.name for tool in tools]
    if len(set(names)) < len(names):
        raise invalid("Two tools have the same name.", "tools")
    if wanted == "none":
        return Offer()
    if wanted == "auto":
        return Offer(tools)
    forced = tuple(names) if wanted == "required" else (wanted.removeprefix("="),)
    if not set(forced) & set(names):
        raise invalid("“tool_choice” names a tool that is not among “tools”.", "tool_choice")
    return Offer(tools, forced, strict)


def _function(tool: GivenTool, field: str) -> FunctionTool:
    if tool.type != "function" or tool.function is None:
        raise unsupported(f"Only tools of the type “function” are taken, not “{tool.type}”.", field)
    return tool.function


def _wanted(choice: Choice | NamedTool | None) -> str:
    if isinstance(choice, NamedTool):
        if choice.type != "function":
            raise unsupported(ONLY_FUNCTIONS.format(choice.type[:40]), "tool_choice")
        if choice.function is None:
            raise invalid("“tool_choice” names no function.", "tool_choice")
        return f"={choice.function.name}"
    return choice or "auto"


def _schema(tool: Tool, *, is_strict: bool) -> dict[str, Any]:
    """What a grammar cannot hold to is passed over unless the tool wants to be held to all of it."""
    try:
        schema = json.loads(tool.parameters)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The parameters of “{tool.name}” are not a JSON schema.", "tools") from error
    if not isinstance(schema, dict):
        raise invalid(f"The parameters of “{tool.name}” are not a JSON schema.", "tools")
    schema = schema if is_strict else _without_refused(schema)
    return schema if schema.get("properties") or "$ref" in schema else {**schema, **ANY_OBJECT}


def _without_refused(value: Any, *, is_named: bool = False) -> Any:
    """`is_named`: the keys are names of properties, which may be called as they like."""
    if isinstance(value, list):
        return [_without_refused(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_refused(one, is_named=key in ("properties", "$defs", "definitions"))
        for key, one in value.items()
        if is_named or key not in REFUSED
    }


def _call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _taken_out(schema: dict[str, Any], number: int) -> dict[str, Any]:
    named = {**schema.pop("definitions", {}), **schema.pop("$defs", {})}
    return {f"{number}.{name}": _renamed(one, number) for name, one in named.items()}


def _renamed(value: Any, number: int) -> Any:
    if isinstance(value, list):
        return [_renamed(one, number) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _reference(one, number) if key == "$ref" else _renamed(one, number)
        for key, one in value.items()
    }


def _reference(reference: object, number: int) -> object:
    for start in ("#/$defs/", "#/definitions/"):
        if isinstance(reference, str) and reference.startswith(start):
            return f"#/$defs/{number}.{reference.removeprefix(start)}"
    return reference
