"""What a child process prints: kept in a file of bounded size, and its last lines in memory."""

from __future__ import annotations

from collections import deque
from pathlib import Path

MAX_BYTES = 5 * 1024 * 1024
NUM_OLD_FILES = 3
NUM_TAIL_LINES = 40
MAX_LINE_BYTES = 64 * 1024


class ChildLog:
    """Written to by one thread, while others may read `tail`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tail: deque[str] = deque(maxlen=NUM_TAIL_LINES)
        self._file = path.open("ab")

    def write(self, line: bytes) -> None:
        self._tail.append(line.decode(errors="replace").rstrip())
        if self._file.tell() + len(line) > MAX_BYTES:
            self._rotate()
        self._file.write(line)
        self._file.flush()

    def tail(self, count: int) -> list[str]:
        return list(self._tail)[-count:]

    def close(self) -> None:
        self._file.close()

    def _rotate(self) -> None:
        """`web.log` becomes `web.log.1`, that one `web.log.2`; the oldest is dropped."""
        self._file.close()
        for number in range(NUM_OLD_FILES, 0, -1):
            newer = self._numbered(number - 1)
            if newer.exists():
                newer.replace(self._numbered(number))
        self._file = self.path.open("ab")

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path
