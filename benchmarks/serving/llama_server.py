"""llama.cpp's own server, as a process, read as a stream of server-sent events."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.serving.server import (
    CONTEXT_WINDOW,
    MAX_SEQUENCES,
    PATIENCE_SECONDS,
    Asked,
    chatml,
    resident_bytes,
)
from benchmarks.serving.threads import ThreadedServer
from inference.hardware.cpu import probe_cpu

HOST = "127.0.0.1"
START_SECONDS = 60


class LlamaServer(ThreadedServer):
    name = "llama-server"

    def __init__(self, model: Path, program: Path) -> None:
        self._port = _free_port()
        threads = str(probe_cpu().physical_cores)
        options = {
            "--model": str(model),
            "--host": HOST,
            "--port": str(self._port),
            "--ctx-size": str(CONTEXT_WINDOW),
            "--parallel": str(MAX_SEQUENCES),
            "--threads": threads,
            "--threads-batch": threads,
            "--gpu-layers": "0",
        }
        words = [word for option in options.items() for word in option]
        self._process = subprocess.Popen(
            [str(program), *words, "--kv-unified"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_until_ready()

    def stream(self, asked: Asked) -> Iterator[str]:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=PATIENCE_SECONDS)
        body = {
            "prompt": chatml(asked.messages),
            "n_predict": asked.num_tokens,
            "temperature": 0.0,
            "stream": True,
            "ignore_eos": True,
        }
        connection.request("POST", "/completion", json.dumps(body))
        for line in connection.getresponse():
            if line.startswith(b"data: "):
                event = json.loads(line.removeprefix(b"data: "))
                if not event["stop"]:
                    yield event["content"]
        connection.close()

    def memory(self) -> int:
        return resident_bytes(self._process.pid)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert self._process.poll() is None, "llama-server ended"
            assert time.monotonic() < deadline, "llama-server does not start"
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=1)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
