"""A runner as an operating-system process: start, frames both ways, output, end.

Knows nothing of models or generations. A runner is started by exec, in a session of its own, with
one end of a socket pair as its only tie to us. Its output is a pipe of which the last lines are
kept, for the administrator who wants to know why it died.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from inference.messages import RunnerCommand, RunnerReport
from inference.wire import Decoder, encode_frame, read_frame

KEPT_LINES = 100
KEPT_LINE_LENGTH = 1000
PASSED_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")

_ROOT = Path(__file__).resolve().parents[2]
# The kernel ends a runner before anything else when memory runs out.
_OOM_SCORE = "800"


class RunnerProcess:
    """Made by `start`. Whoever has one ends it by `end`, which also reaps it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._output = asyncio.create_task(self._keep_output(), name=f"output of {process.pid}")

    @classmethod
    async def start(cls, command: Sequence[str]) -> RunnerProcess:
        """Raises OSError when the program cannot be started."""
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            with theirs:
                process = await _spawn(command, theirs)
        except BaseException:
            writer.close()
            raise
        _harden(process.pid)
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log_tail(self) -> str:
        return "\n".join(self._lines)

    def send(self, command: RunnerCommand) -> None:
        """Never waits: what is sent is bounded by the sequences a runner is given."""
        if not self._writer.is_closing():
            self._writer.write(encode_frame(command))

    async def reports(self) -> AsyncIterator[RunnerReport]:
        """Until the runner closes its end. Raises WireError for what is not a report."""
        decoder = Decoder[RunnerReport](RunnerReport)
        with contextlib.suppress(ConnectionError):
            while (report := await read_frame(self._reader, decoder)) is not None:
                yield report

    async def end(self, *, grace: float, ask: bool = True) -> int:
        """Close its socket, SIGTERM if `ask`, `grace` seconds, SIGKILL to the whole group.

        The exit code, negative: the signal. One that has died already is only reaped.
        """
        self._writer.close()
        if ask:
            self._signal(signal.SIGTERM)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace)
        finally:
            self._signal(signal.SIGKILL)
            exit_code = await self._process.wait()
            await self._last_lines()
        return exit_code

    async def _last_lines(self) -> None:
        """A process of its own that the runner left behind might keep the pipe open for ever."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._output, 1.0)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def _keep_output(self) -> None:
        """Lines of any length; an endless one is kept in pieces."""
        assert self._process.stdout is not None
        rest = ""
        while part := await self._process.stdout.read(KEPT_LINE_LENGTH):
            *lines, rest = (rest + part.decode(errors="replace")).split("\n")
            self._lines.extend(line[:KEPT_LINE_LENGTH] for line in lines)
            if len(rest) > KEPT_LINE_LENGTH:
                self._lines.append(rest[:KEPT_LINE_LENGTH])
                rest = ""
        if rest:
            self._lines.append(rest)


async def _spawn(command: Sequence[str], theirs: socket.socket) -> asyncio.subprocess.Process:
    descriptor = theirs.fileno()
    return await asyncio.create_subprocess_exec(
        *command,
        "--fd",
        str(descriptor),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=(descriptor,),
        start_new_session=True,
        cwd="/",
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    """Nothing secret of ours reaches a process that reads files made by strangers."""
    passed = {name: os.environ[name] for name in PASSED_VARIABLES if name in os.environ}
    return {**passed, "PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"}


def _harden(pid: int) -> None:
    """Linux only: no core files of many gigabytes, and the first to go when memory runs out."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        Path(f"/proc/{pid}/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
