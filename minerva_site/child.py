"""One child process of `serve`: started, read, found ready, waited for, ended."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from minerva_site.child_log import MAX_LINE_BYTES, ChildLog

logger = logging.getLogger(__name__)

READY_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Program:
    """What to run as a child. `is_ready` is asked, from a thread, until it says yes."""

    name: str
    argv: Sequence[str]
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 2.0
    ready_seconds: float = 60.0
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Exited:
    child: Child
    code: int


@dataclass(frozen=True)
class BecameReady:
    child: Child


@dataclass(frozen=True)
class NotReadyInTime:
    child: Child


ChildEvent = Exited | BecameReady | NotReadyInTime


@dataclass(eq=False)
class Child:
    """A running process. Reports what happens to it by `report`, from threads of its own.

    Make it in the main thread: Linux ends a child when the *thread* that started it ends.
    """

    program: Program
    log: ChildLog
    report: Callable[[ChildEvent], None]
    environment: Mapping[str, str]
    folder: Path
    descriptors: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(
            list(self.program.argv),
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(*self.program.descriptors, *self.descriptors),
        )
        self._reader = self._thread(self._read_output)
        self._thread(self._wait_for_exit)
        self._thread(self._wait_until_ready)

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self._started_at

    def ask_to_stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(self.program.stop_signal)

    def end(self, *, seconds: float) -> None:
        """Wait so long for it to stop, then kill it and whatever is left of its group."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, name=self.program.name, daemon=True)
        thread.start()
        return thread

    def _read_output(self) -> None:
        output = self.process.stdout
        assert output is not None
        with output:
            for line in _lines(output):
                self.log.write(line)

    def _wait_for_exit(self) -> None:
        code = self.process.wait()
        self._reader.join(timeout=1)  # its last words are the reason of its death
        self.report(Exited(self, code))

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.program.ready_seconds
        while self.process.poll() is None:
            if self._seems_ready():
                self.report(BecameReady(self))
                return
            if time.monotonic() > deadline:
                self.report(NotReadyInTime(self))
                return
            time.sleep(READY_POLL_SECONDS)

    def _seems_ready(self) -> bool:
        try:
            return self.program.is_ready()
        except Exception:
            logger.exception("the question whether %s is ready failed", self.program.name)
            return False


def _lines(output: IO[bytes]) -> Sequence[bytes]:
    """A line without an end is cut into pieces, not gathered in memory."""
    return iter(lambda: output.readline(MAX_LINE_BYTES), b"")  # type: ignore[return-value]


def describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {-code}, {signal.Signals(-code).name}"
    return f"signal {-code}"
