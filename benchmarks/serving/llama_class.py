"""llama-cpp-python's high-level `Llama`: one completion after the other, in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from llama_cpp import Llama

from benchmarks.serving.server import CONTEXT_WINDOW, Asked, chatml, resident_bytes
from benchmarks.serving.threads import ThreadedServer
from inference.hardware.cpu import probe_cpu


class LlamaClassServer(ThreadedServer):
    name = "Llama class"

    def __init__(self, model: Path) -> None:
        threads = probe_cpu().physical_cores
        self._before = resident_bytes(os.getpid())
        self._lock = threading.Lock()
        self._llama = Llama(
            str(model),
            n_ctx=CONTEXT_WINDOW,
            n_gpu_layers=0,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )

    def stream(self, asked: Asked) -> Iterator[str]:
        with self._lock:
            prompt = chatml(asked.messages)
            pieces = self._llama(prompt, max_tokens=asked.num_tokens, temperature=0.0, stream=True)
            for piece in pieces:
                if text := piece["choices"][0]["text"]:
                    yield text

    def memory(self) -> int:
        """What it added to this process."""
        return resident_bytes(os.getpid()) - self._before

    def close(self) -> None:
        self._llama.close()
