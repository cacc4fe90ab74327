"""One `serve` for each data folder. The lock ends with its process, however that one ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class AlreadyRunning(Exception):
    """`holder`: what the running one wrote about itself."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class InstanceLock:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "run" / "serve.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Raises AlreadyRunning. The lock is held until `release` or the end of the process."""
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise AlreadyRunning(holder) from None
        self._file = file
        self.describe(f"process {os.getpid()}")

    def describe(self, holder: str) -> None:
        assert self._file is not None
        self._file.truncate(0)
        self._file.write(holder)
        self._file.flush()

    def release(self) -> None:
        """The file stays: removing it would let two processes lock two files of one name."""
        if self._file is not None:
            self._file.close()
            self._file = None
