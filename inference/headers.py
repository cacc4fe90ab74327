"""What model files say of themselves, read by a process of its own: see `header_process`.

Starting it takes a tenth of a second, so it is asked of several files at once, and only where something is
new or has changed.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from inference.errors import ModelFileInvalid
from inference.header_process import LENGTH_BYTES, HeaderRead
from inference.model_files import ModelHeader, own_paths

ROOT = Path(__file__).resolve().parent.parent
MODULE = "inference.header_process"
# Of one file, on a disk that has to wake up first.
SECONDS_A_FILE = 30.0
# The longest is that of a chat template of a mebibyte.
MAX_ANSWER_BYTES = 16 * 1024 * 1024
KNOWN = 256
UNREADABLE = (
    "Its header could not be read within the limits of time and memory. Copy the model again."
)

Result = ModelHeader | ModelFileInvalid
State = tuple[tuple[str, int, int], ...]


def read_headers(paths: Sequence[Path]) -> Iterator[Result]:
    """Of each path, in their order. A file that ends the process that reads it is refused in words, and the
    rest is read by another."""
    rest = list(paths)
    while rest:
        for answer in _answers(tuple(rest)):
            rest.pop(0)
            yield _result(answer)
        if rest:
            rest.pop(0)
            yield ModelFileInvalid(UNREADABLE, reason="unreadable")


def known_header(path: Path) -> ModelHeader:
    """Of one model; read again when its files have changed. Raises ModelFileInvalid."""
    return _known(path, tuple(_states(path)))


@lru_cache(maxsize=KNOWN)
def _known(path: Path, state: State) -> ModelHeader:
    (found,) = read_headers([path])
    if isinstance(found, ModelFileInvalid):
        raise found
    return found


def _states(path: Path) -> Iterator[tuple[str, int, int]]:
    for part in own_paths(path):
        try:
            found = part.stat()
        except OSError:
            continue
        yield part.name, found.st_size, found.st_mtime_ns


def _result(answer: HeaderRead) -> Result:
    if answer.error is not None:
        return ModelFileInvalid(answer.error.message, **answer.error.facts)
    header = answer.gguf or answer.mlx
    assert header is not None
    return header


def _answers(paths: Sequence[Path]) -> Iterator[HeaderRead]:
    """Fewer than `paths` where one of them was too much."""
    child = subprocess.Popen(
        [sys.executable, "-m", MODULE],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        _ask(child.stdin.fileno(), [str(path) for path in paths])
        child.stdin.close()
        for _ in paths:
            due_at = time.monotonic() + SECONDS_A_FILE
            length = int.from_bytes(_exactly(child.stdout.fileno(), LENGTH_BYTES, due_at))
            answer = _exactly(child.stdout.fileno(), min(length, MAX_ANSWER_BYTES), due_at)
            yield msgspec.msgpack.decode(answer, type=HeaderRead)
    except (EOFError, msgspec.DecodeError):
        return
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def _ask(descriptor: int, paths: list[str]) -> None:
    request = memoryview(msgspec.msgpack.encode(paths))
    try:
        while request:
            request = request[os.write(descriptor, request) :]
    except BrokenPipeError:
        return  # it has ended already, and answers nothing


def _exactly(descriptor: int, size: int, due_at: float) -> bytes:
    """Raises EOFError: it has ended, or the time is over."""
    found = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while len(found) < size:
            ready = selector.select(max(0.0, due_at - time.monotonic()))
            more = os.read(descriptor, size - len(found)) if ready else b""
            if not more:
                raise EOFError
            found += more
    return found
