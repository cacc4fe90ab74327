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

import inference
from inference.errors import ChatTemplateFailed
from inference.runner.template_process import CPU_SECONDS, Request, Response
from inference.types import ChatMessage

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


class ChatTemplate:
    """Used by one thread. The process is started ahead and again after it had to be ended."""

    def __init__(self, template: str, *, bos_token: str, eos_token: str) -> None:
        self._template = template or CHATML
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self._process: subprocess.Popen[bytes] | None = _start()

    def render(self, messages: Sequence[ChatMessage]) -> str:
        """Raises ChatTemplateFailed: the template refuses, is broken, or ran away."""
        if len(self._template.encode("utf-8", "replace")) > MAX_TEMPLATE_BYTES:
            raise ChatTemplateFailed(
                "This model's chat template is longer than 64 KiB. Choose another model."
            )
        response = self._ask(self._request(messages))
        if "error" in response:
            raise ChatTemplateFailed(response["error"])
        return response["text"]

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _request(self, messages: Sequence[ChatMessage]) -> Request:
        num_characters = sum(len(message.content) for message in messages)
        return {
            "template": self._template,
            "messages": [{"role": one.role, "content": one.content} for one in messages],
            "variables": self._tokens,
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


def _start() -> subprocess.Popen[bytes]:
    root = Path(inference.__file__).parent.parent
    environment = {"PYTHONPATH": str(root), "PATH": os.defpath, "LANG": "C.UTF-8"}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "inference.runner.template_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
