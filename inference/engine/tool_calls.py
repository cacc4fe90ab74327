"""What models write when they want tools called, in the notations of their families.

Each reader takes the text between a family's markers and returns the calls in it, or raises
ValueError if it is none: then it is shown as the text that it is, so nothing gets lost. Arguments
are returned as the text of a JSON object. Written after the chat templates of the models themselves.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

MAX_NAME = 128
NAME = re.compile(r"[A-Za-z0-9_.:-]+")
QWEN_FUNCTION = re.compile(r"<function=([^>\n]+)>(.*?)</function>", re.DOTALL)
QWEN_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
GLM_ARGUMENT = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
DEEPSEEK_CALL = re.compile(
    r"<｜tool▁call▁begin｜>(.*?)<｜tool▁sep｜>(.*?)(?:<｜tool▁call▁end｜>|$)", re.DOTALL
)
FENCED = re.compile(r"^(\S+)\s*```json\s*(.*?)\s*```\s*$", re.DOTALL)
GEMMA_CALL = re.compile(r"^call:([^{\s]+)\{(.*)\}$", re.DOTALL)
GEMMA_ARGUMENT = re.compile(r"(\w+):(?:<escape>(.*?)<escape>|([^,]*))(?:,|$)", re.DOTALL)
HARMONY_CALL = re.compile(r"^([\w.-]+).*?<\|message\|>(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Call:
    """`arguments`: the text of a JSON object."""

    name: str
    arguments: str


def json_calls(text: str) -> list[Call]:
    """Qwen, Hermes, Llama 3, Mistral: one object, a list of them, or several with “;” between."""
    return [_of_object(value) for value in _values(text)]


def qwen_calls(text: str) -> list[Call]:
    """JSON, or the tags of Qwen3-Coder: `<function=f><parameter=p>value</parameter></function>`."""
    found = QWEN_FUNCTION.findall(text)
    if not found:
        return json_calls(text)
    return [_of_texts(name, QWEN_PARAMETER.findall(body)) for name, body in found]


def mistral_calls(text: str) -> list[Call]:
    """A list of objects; or `name[ARGS]{…}` or `name{…}`, several with `[TOOL_CALLS]` between."""
    if text.lstrip().startswith(("[", "{")):
        return json_calls(text)
    return [_mistral_call(*one.partition("{")) for one in text.split("[TOOL_CALLS]")]


def deepseek_calls(text: str) -> list[Call]:
    """`name<sep>{…}`, or `function<sep>name` and a fenced block of JSON."""
    calls = [_deepseek_call(*found) for found in DEEPSEEK_CALL.findall(text)]
    if not calls:
        raise ValueError("no call in a block of calls")
    return calls


def glm_calls(text: str) -> list[Call]:
    """The name, and then keys and values in tags."""
    name = text.partition("<arg_key>")[0]
    return [_of_texts(name, GLM_ARGUMENT.findall(text))]


def gemma_calls(text: str) -> list[Call]:
    """`call:name{key:<escape>text<escape>,key:3}`."""
    found = GEMMA_CALL.match(text.strip())
    if found is None:
        raise ValueError("no call")
    arguments = {
        key: _loose(bare) if bare else quoted
        for key, quoted, bare in GEMMA_ARGUMENT.findall(found[2])
    }
    return [_call(found[1], json.dumps(arguments, ensure_ascii=False))]


def harmony_calls(text: str) -> list[Call]:
    """gpt-oss: `name …<|message|>{…}`, after the marker that names the recipient."""
    found = HARMONY_CALL.match(text)
    if found is None:
        raise ValueError("no call")
    return [_call(found[1], found[2] or "{}")]


def _values(text: str) -> list[Any]:
    decoder, values, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        values.extend(value if isinstance(value, list) else [value])
        rest = rest[end:].lstrip(" \t\r\n;,")
    if not values:
        raise ValueError("no call")
    return values


def _of_object(value: Any) -> Call:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError("no call")
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        return _call(value["name"], arguments or "{}")
    return _call(value["name"], json.dumps(arguments, ensure_ascii=False))


def _of_texts(name: str, pairs: list[tuple[str, str]]) -> Call:
    arguments = {key.strip(): _loose(value) for key, value in pairs}
    return _call(name, json.dumps(arguments, ensure_ascii=False))


def _mistral_call(name: str, brace: str, arguments: str) -> Call:
    return _call(name.removesuffix("[ARGS]"), brace + arguments)


def _deepseek_call(first: str, second: str) -> Call:
    fenced = FENCED.match(second.strip())
    return _call(fenced[1], fenced[2]) if fenced else _call(first, second)


def _loose(value: str) -> Any:
    """These notations write texts without quotes, and all else as JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _call(name: str, arguments: str) -> Call:
    name, arguments = name.strip(), arguments.strip()
    if len(name) > MAX_NAME or not NAME.fullmatch(name):
        raise ValueError("no name of a tool")
    if not isinstance(json.loads(arguments), dict):
        raise ValueError("arguments must be an object")
    return Call(name, arguments)
