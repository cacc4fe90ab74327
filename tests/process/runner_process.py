"""A real runner process at the end of a socket pair, and what a test says to it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import inference
from inference.hardware.mlx_install import DEFAULT_PYTHON
from inference.messages import (
    Cancel,
    Emitted,
    Heartbeat,
    Loaded,
    LoadFailed,
    LoadModel,
    LoadProgress,
    LoadSettings,
    RunnerCommand,
    RunnerReport,
    Start,
)
from inference.model_files import ModelFormat, format_of
from inference.types import (
    TERMINAL,
    ChatMessage,
    Delta,
    Event,
    Failed,
    Finished,
    ModelSpec,
    RemoteEndpoint,
    SamplingParams,
)
from inference.wire import Decoder, receive_frame, send_frame

PATIENCE_SECONDS = 60.0


class RunnerProcess:
    """`python`: the interpreter that has the model's engine."""

    def __init__(self, python: Path | str = sys.executable) -> None:
        self.connection, theirs = socket.socketpair()
        self.connection.settimeout(PATIENCE_SECONDS)
        environment = {**os.environ, "PYTHONPATH": str(Path(inference.__file__).parent.parent)}
        with theirs:
            self.process = subprocess.Popen(
                [str(python), "-P", "-m", "inference.runner", "--fd", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        self._decoder: Decoder[RunnerReport] = Decoder(RunnerReport)
        self.events: dict[str, list[Event]] = {}
        self.loaded: Loaded | None = None
        self.progress: list[float] = []
        self.heartbeats: list[Heartbeat] = []

    def send(self, command: RunnerCommand) -> None:
        send_frame(self.connection, command)

    def receive(self) -> RunnerReport:
        report = receive_frame(self.connection, self._decoder)
        assert report is not None, "the runner hung up"
        match report:
            case Emitted(generation_id, event):
                self.events.setdefault(generation_id, []).append(event)
            case LoadProgress(fraction):
                self.progress.append(fraction)
            case Heartbeat():
                self.heartbeats.append(report)
        return report

    def load(self, path: Path, **settings: Any) -> Loaded | LoadFailed:
        return self.load_spec(
            ModelSpec(model_id=path.stem, name=path.stem, path=str(path)), **settings
        )

    def load_spec(self, spec: ModelSpec, **settings: Any) -> Loaded | LoadFailed:
        self.send(LoadModel(spec, LoadSettings(**settings)))
        while not isinstance(report := self.receive(), Loaded | LoadFailed):
            pass
        return report

    def start(
        self, generation_id: str, prompt: str = "Hello", sampling: SamplingParams | None = None
    ) -> None:
        self.start_chat(generation_id, (ChatMessage("user", prompt),), sampling)

    def start_chat(
        self,
        generation_id: str,
        messages: tuple[ChatMessage, ...],
        sampling: SamplingParams | None = None,
        *,
        user: str = "",
    ) -> None:
        self.send(Start(generation_id, messages, sampling or SamplingParams(), user))

    def cancel(self, generation_id: str) -> None:
        self.send(Cancel(generation_id))

    def read_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline
            self.receive()

    def read_to_end(self, *generation_ids: str) -> None:
        self.read_until(lambda: all(self.has_ended(one) for one in generation_ids))

    def complete(
        self, prompt: str = "Hello", sampling: SamplingParams | None = None, *, name: str = "one"
    ) -> list[Event]:
        """The events of one completion, alone in the runner."""
        self.events.pop(name, None)
        self.start(name, prompt, sampling)
        self.read_to_end(name)
        return self.events[name]

    def of(self, generation_id: str) -> list[Event]:
        return self.events.get(generation_id, [])

    def has_ended(self, generation_id: str) -> bool:
        return any(isinstance(event, TERMINAL) for event in self.of(generation_id))

    def has(self, generation_id: str, kind: type[Event]) -> bool:
        return any(isinstance(event, kind) for event in self.of(generation_id))

    def text(self, generation_id: str = "one") -> str:
        return text_of(self.of(generation_id))

    def children(self) -> list[int]:
        """Its chat template's process."""
        task = Path(f"/proc/{self.process.pid}/task")
        return [
            int(child)
            for thread in task.iterdir()
            for child in (thread / "children").read_text().split()
        ]

    def close(self) -> None:
        self.connection.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def python_of(path: Path) -> Path | str:
    return sys.executable if format_of(path) is ModelFormat.GGUF else DEFAULT_PYTHON


def finished(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished), events[-1]
    return events[-1]


def failed(events: list[Event]) -> Failed:
    assert isinstance(events[-1], Failed), events[-1]
    return events[-1]


def together(runner: RunnerProcess, prompts: dict[str, str], sampling: SamplingParams) -> list[str]:
    for name, prompt in prompts.items():
        runner.events.pop(name, None)
        runner.start(name, prompt, sampling)
    runner.read_to_end(*prompts)
    return [runner.text(name) for name in prompts]


def alone(runner: RunnerProcess, prompts: dict[str, str], sampling: SamplingParams) -> list[str]:
    return [text_of(runner.complete(prompt, sampling)) for prompt in prompts.values()]


def running(path: Path, **settings: Any) -> contextlib.AbstractContextManager[RunnerProcess]:
    """A runner that has loaded the model."""
    spec = ModelSpec(model_id=path.stem, name=path.stem, path=str(path))
    return running_spec(spec, **settings)


def relaying(
    endpoint: RemoteEndpoint, **settings: Any
) -> contextlib.AbstractContextManager[RunnerProcess]:
    """A runner for a model of another server."""
    spec = ModelSpec(model_id="remote", name=endpoint.model, path="", remote=endpoint)
    return running_spec(spec, **settings)


@contextlib.contextmanager
def running_spec(spec: ModelSpec, **settings: Any) -> Iterator[RunnerProcess]:
    runner = RunnerProcess(sys.executable if spec.remote else python_of(Path(spec.path)))
    try:
        loaded = runner.load_spec(spec, **settings)
        assert isinstance(loaded, Loaded), loaded
        runner.loaded = loaded
        yield runner
    finally:
        runner.close()
