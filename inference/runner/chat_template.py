"""The model's chat template, rendered in a process of its own with limits on time and memory.

A template comes with the model's file and is code: a sandbox keeps it from doing anything but
compute, and only a process can be kept from computing for ever (`inference.runner.template_process`).
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import inference
from inference.errors import ChatTemplateFailed
from inference.runner.template_process import CPU_SECONDS, Request, Response
from inference.types import Called, ChatMessage, Tool

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{{ message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MAX_TEMPLATE_BYTES = 64 * 1024
# CPU time ends a render; this ends a process that gets no CPU time or does not answer.
WALL_SECONDS = 20.0
OUTPUT_FLOOR = 64 * 1024
OUTPUT_FACTOR = 4
OUTPUT_PER_MESSAGE = 1024
GIVEN_BY_US = ("messages", "tools", "documents", "add_generation_prompt")


class ChatTemplate:
    """Used by one thread. The process is started ahead and again after it had to be ended."""

    def __init__(self, template: str, *, bos_token: str, eos_token: str) -> None:
        self._template = template or CHATML
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self._process: subprocess.Popen[bytes] | None = _start()

    def render(
        self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = (), options: str = ""
    ) -> str:
        """`options`: a JSON object of further variables. Raises ChatTemplateFailed: the template refuses,
        is broken, or ran away."""
        given = json.loads(options) if options else {}
        if len(self._template.encode("utf-8", "replace")) > MAX_TEMPLATE_BYTES:
            raise ChatTemplateFailed(
                "This model's chat template is longer than 64 KiB. Choose another model."
            )
        response = self._ask(self._request(messages, tools, given))
        if "error" in response and any(message.tool_calls for message in messages):
            # Some templates want arguments as an object, and some as text.
            response = self._ask(self._request(messages, tools, given, has_objects=False))
        if "error" in response:
            raise ChatTemplateFailed(response["error"])
        return response["text"]

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _request(
        self,
        messages: Sequence[ChatMessage],
        tools: Sequence[Tool],
        options: dict[str, Any],
        *,
        has_objects: bool = True,
    ) -> Request:
        said = [_message(message, has_objects=has_objects) for message in messages]
        offered = [_tool(tool) for tool in tools]
        num_characters = len(json.dumps([said, offered])) if tools else _num_characters(messages)
        return {
            "template": self._template,
            "messages": said,
            "tools": offered or None,
            "variables": {**_allowed(options), **self._tokens},
            "max_characters": OUTPUT_FLOOR
            + OUTPUT_FACTOR * num_characters
            + OUTPUT_PER_MESSAGE * len(messages),
        }

    def _ask(self, request: Request) -> Response:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = _start()
        line = self._exchange(self._process, json.dumps(request).encode() + b"\n")
        if not line.endswith(b"\n"):
            raise self._ended(self._process)
        response: Response = json.loads(line)
        return response

    def _exchange(self, process: subprocess.Popen[bytes], line: bytes) -> bytes:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except OSError:
            return b""
        ready, _, _ = select.select([process.stdout], [], [], WALL_SECONDS)
        return process.stdout.readline() if ready else b""

    def _ended(self, process: subprocess.Popen[bytes]) -> ChatTemplateFailed:
        """The process is of no more use; why, as far as its exit code tells."""
        self.close()
        if process.returncode == -signal.SIGPROF:
            return ChatTemplateFailed(
                f"This model's chat template ran for more than {CPU_SECONDS:.0f} seconds and was "
                "ended. Choose another model."
            )
        return ChatTemplateFailed("This model's chat template broke down. Choose another model.")


def _allowed(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in GIVEN_BY_US}


def _num_characters(messages: Sequence[ChatMessage]) -> int:
    calls = (call for message in messages for call in message.tool_calls)
    written = sum(len(call.name) + len(call.arguments) for call in calls)
    return written + sum(len(message.content) for message in messages)


def _message(message: ChatMessage, *, has_objects: bool) -> dict[str, Any]:
    """As the tools of model makers hand it to templates."""
    said: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        said["tool_calls"] = [_called(call, has_objects) for call in message.tool_calls]
    if message.call_id:
        said["tool_call_id"] = message.call_id
    return said


def _called(call: Called, has_objects: bool) -> dict[str, Any]:
    arguments = json.loads(call.arguments) if has_objects else call.arguments
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.call_id, "type": "function", "function": function}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": json.loads(tool.parameters),
    }
    return {"type": "function", "function": function}


def _start() -> subprocess.Popen[bytes]:
    root = Path(inference.__file__).parent.parent
    environment = {"PYTHONPATH": str(root), "PATH": os.defpath, "LANG": "C.UTF-8"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "inference.runner.template_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
