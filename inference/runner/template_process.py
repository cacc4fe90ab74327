"""Renders chat templates, one JSON line in and one out, until its standard input ends.

Nothing a template does may cost more than it is worth: CPU time is limited by a timer whose signal
ends the process, memory and files by resource limits, the output by counting it, and operators
whose result can be far larger than their operands are looked at first.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import signal
import sys
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from inference.lifeline import die_with_parent

CPU_SECONDS = 2.0
MEMORY_BYTES = 256 * 1024 * 1024
MAX_OPERAND = 1_000_000
MAX_POWER_BITS = 4096
MAX_REASON = 200
WIDTH = re.compile(r"%[-+ #0]*(\d{1,12}|\*)")


class Request(TypedDict):
    template: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    variables: dict[str, Any]
    max_characters: int


class Response(TypedDict):
    text: NotRequired[str]
    error: NotRequired[str]


class Refusal(Exception):
    """The template itself says that it can't take these messages."""


class Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if _result_size(operator, left, right) > MAX_OPERAND:
            raise SecurityError(f"the result of “{operator}” is too large")
        return super().call_binop(context, operator, left, right)


class GenerationTag(Extension):
    """`{% generation %}` marks the assistant's part for training; here it means nothing."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def main() -> None:
    die_with_parent()
    _limit_resources()
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        response = render(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps(response) + "\n")
        sys.stdout.flush()


def render(request: Request) -> Response:
    try:
        template = _environment().from_string(request["template"])
        pieces = template.generate(
            messages=request["messages"],
            add_generation_prompt=True,
            tools=request["tools"],
            documents=None,
            **request["variables"],
        )
        return {"text": _joined(pieces, request["max_characters"])}
    except Refusal as error:
        reason = " ".join(str(error).split())[:MAX_REASON]
        return {"error": f"This model's chat template refuses the conversation: {reason}"}
    except (MemoryError, OverflowError, RecursionError, SecurityError):
        return {"error": "This model's chat template asks for too much. Choose another model."}
    except TemplateError:
        return {"error": "This model's chat template has an error in it. Choose another model."}
    except Exception:
        return {"error": "This model's chat template failed. Choose another model."}


def _joined(pieces: Any, max_characters: int) -> str:
    parts: list[str] = []
    for piece in pieces:
        max_characters -= len(piece)
        if max_characters < 0:
            raise OverflowError
        parts.append(piece)
    return "".join(parts)


def _environment() -> Sandbox:
    """The same rules that the tools of model makers render with."""
    environment = Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationTag]
    )
    environment.filters["tojson"] = _to_json
    environment.globals.pop("lipsum", None)
    environment.globals.update(raise_exception=_refuse, strftime_now=_strftime_now)
    return environment


def _refuse(message: object) -> None:
    raise Refusal(str(message))


def _strftime_now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)


def _to_json(value: Any, **options: Any) -> str:
    options.setdefault("ensure_ascii", False)
    return json.dumps(value, **options)


def _result_size(operator: str, left: Any, right: Any) -> float:
    match operator:
        case "**":
            return _power_bits(left, right) / MAX_POWER_BITS * MAX_OPERAND
        case "*":
            return _size(left) * _count(right) + _size(right) * _count(left)
        case "%" if isinstance(left, str):
            return sum(int(width.replace("*", "9" * 9)) for width in WIDTH.findall(left))
        case _:
            return _size(left) + _size(right)


def _power_bits(base: Any, exponent: Any) -> int:
    if not isinstance(base, int) or not isinstance(exponent, int):
        return 0
    return base.bit_length() * abs(exponent)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple) else 0


def _count(value: Any) -> int:
    return max(0, value) if isinstance(value, int) else 0


def _limit_resources() -> None:
    """Where the system knows them; the timer is known everywhere."""
    limits: dict[int, int] = {
        resource.RLIMIT_AS: _address_space() + MEMORY_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 32,
    }
    for limit, value in limits.items():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))


def _address_space() -> int:
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()
    return MEMORY_BYTES


if __name__ == "__main__":
    main()
