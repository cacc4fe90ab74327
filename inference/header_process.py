"""Reads what model files say of themselves, in a process that may cost no more than a limit.

One request on standard input, a list of paths; one answer out for each, in their order, in MessagePack
behind its length. The readers are bounded already. This bounds what nobody has thought of: a fault in them ends this process, and
whoever asked goes on.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from inference.errors import ErrorInfo, ModelFileInvalid
from inference.gguf_header import GGUFHeader
from inference.lifeline import die_with_parent
from inference.mlx_folder import MLXHeader
from inference.model_files import ModelHeader, read_any

CPU_SECONDS = 10.0
MEMORY_BYTES = 512 * 1024 * 1024
MAX_OPEN_FILES = 64
LENGTH_BYTES = 4


class HeaderRead(msgspec.Struct, omit_defaults=True):
    """Of one path: what it says of itself, or why it is none."""

    gguf: GGUFHeader | None = None
    mlx: MLXHeader | None = None
    error: ErrorInfo | None = None


Reader = Callable[[Path], ModelHeader]


def main(reader: Reader = read_any) -> None:
    die_with_parent()
    limit_resources()
    for path in msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[str]):
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        answer = msgspec.msgpack.encode(read(Path(path), reader))
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(len(answer).to_bytes(LENGTH_BYTES) + answer)
        sys.stdout.buffer.flush()


def read(path: Path, reader: Reader) -> HeaderRead:
    try:
        header = reader(path)
    except ModelFileInvalid as error:
        return HeaderRead(error=error.info)
    if isinstance(header, GGUFHeader):
        return HeaderRead(gguf=header)
    assert isinstance(header, MLXHeader)
    return HeaderRead(mlx=header)


def limit_resources() -> None:
    """Where the system knows them; the timer is known everywhere."""
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
    }
    for limit, value in limits.items():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    main()
