"""Real servers of other makers, and another Minerva, each with one model: what a remote engine relays to."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from inference.errors import InferenceError
from inference.hardware.mlx_install import DEFAULT_PYTHON
from inference.remote.listing import list_models
from inference.types import RemoteEndpoint
from tests.process.api_process import ApiProcess

ROOT = Path(__file__).resolve().parents[2]
CLIENTS_PYTHON = ROOT / ".clients" / "python" / "bin" / "python"
HAS_LLAMA_SERVER = any(CLIENTS_PYTHON.parent.parent.glob("lib/*/site-packages/starlette_context"))
KEY = "sk-of-the-test"
PATIENCE_SECONDS = 120.0

# Set up by `make test`.
needs_llama_server = pytest.mark.skipif(
    not HAS_LLAMA_SERVER, reason="llama-cpp-python's server is not in .clients: run “make test”"
)


@dataclass(frozen=True)
class Server:
    """`process`: what to kill to have it gone at once."""

    endpoint: RemoteEndpoint
    process: subprocess.Popen[bytes]


Serving = Callable[[Path, int], AbstractContextManager[Server]]


@contextmanager
def llama_cpp_server(path: Path, context_window: int) -> Iterator[Server]:
    """`python -m llama_cpp.server`."""
    options = {
        "model": str(path),
        "model_alias": path.stem,
        "n_ctx": str(context_window),
        "n_threads": "1",
        "n_gpu_layers": "0",
        "interrupt_requests": "false",
        "logits_all": "true",
        "api_key": KEY,
    }
    command = [str(CLIENTS_PYTHON), "-m", "llama_cpp.server"]
    command += [part for name, value in options.items() for part in (f"--{name}", value)]
    with _started(command, path, model=path.stem, key=KEY) as server:
        yield server


@contextmanager
def mlx_server(path: Path, context_window: int) -> Iterator[Server]:
    """`mlx_lm.server`, which knows no keys, and calls a model of a folder by its path."""
    (path.parent / "hub").mkdir(exist_ok=True)  # which it lists, and does not make
    command = [str(DEFAULT_PYTHON), "-m", "mlx_lm.server", "--model", str(path)]
    with _started(command, path, model=str(path.resolve())) as server:
        yield server


_minervas: dict[Path, tuple[ApiProcess, str]] = {}


@contextmanager
def minerva(path: Path, context_window: int) -> Iterator[Server]:
    """Another Minerva, with a key for its API: one for all models of a folder, until `end_minerva`."""
    if path.parent not in _minervas:
        api = ApiProcess(path.parent / "minerva", {}, "--context-window", str(context_window))
        api.__enter__()
        _minervas[path.parent] = api, api.key()
    api, key = _minervas[path.parent]
    shutil.copy(path, api.models_dir / path.name)
    endpoint = RemoteEndpoint(base_url=f"{api.url}/v1", model=path.stem, key=key)
    yield Server(endpoint, api.web.process)


def end_minerva(folder: Path) -> None:
    if folder in _minervas:
        api, _ = _minervas.pop(folder)
        api.__exit__()


@contextmanager
def _started(command: list[str], path: Path, *, model: str, key: str = "") -> Iterator[Server]:
    port = _free_port()
    output = path.with_suffix(".log")
    with output.open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
            cwd=path.parent,
            env=dict(os.environ, HF_HUB_OFFLINE="1", HF_HOME=str(path.parent)),
        )
    endpoint = RemoteEndpoint(base_url=f"http://127.0.0.1:{port}/v1", model=model, key=key)
    try:
        _wait_for(endpoint, process)
        yield Server(endpoint, process)
    finally:
        process.kill()
        process.wait()
        print(output.read_text(errors="replace")[-4_000:], file=sys.stderr)


def _wait_for(endpoint: RemoteEndpoint, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            list_models(endpoint)
            return
        except InferenceError:
            time.sleep(0.1)
    raise AssertionError("the server did not come up")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
