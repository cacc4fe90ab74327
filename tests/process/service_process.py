"""A real inference service with real runners, and what a test asks of it."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

from inference.client import InferenceClient
from inference.types import (
    ChatMessage,
    Delta,
    Event,
    GenerationRequest,
    LoggedEvent,
    ModelSpec,
    ModelState,
    ModelStatus,
    SamplingParams,
)

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0

_numbers = itertools.count(1)


class ServiceProcess:
    """`with ServiceProcess(folder) as service`: killed behind, and its runners end with it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.socket = folder / "s.sock"
        self.client = InferenceClient(self.socket, timeout=PATIENCE_SECONDS)
        self._output = folder / "service.log"
        self._command = [sys.executable, "-m", "inference", "--socket", str(self.socket), *options]
        self._command += ["--context-window", "2048", "--threads", "1", "--gpu-layers", "0"]

    def __enter__(self) -> Self:
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
            )
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        print(self._output.read_text())

    def runners(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    # -- what a client does ---------------------------------------------------------------------

    async def start(self, path: Path, *, generation_id: str = "", prompt: str = "Hello") -> str:
        name = generation_id or f"generation-{next(_numbers)}"
        await self.client.generate(request_to(path, name, prompt))
        return name

    async def complete(self, path: Path) -> list[Event]:
        return await self.read(await self.start(path))

    async def read(self, generation_id: str, *, after: int = 0) -> list[Event]:
        return [logged.event for logged in await self.read_log(generation_id, after=after)]

    async def read_log(self, generation_id: str, *, after: int = 0) -> list[LoggedEvent]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [logged async for logged in self.client.attach(generation_id, after=after)]

    async def until_it_writes(self, generation_id: str, *, num_deltas: int = 1) -> None:
        """Returns when that much of the answer is there."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for logged in self.client.attach(generation_id):
                num_deltas -= isinstance(logged.event, Delta)
                if num_deltas == 0:
                    return
        raise AssertionError("it ended before it wrote that much")

    async def status_of(self, path: Path) -> ModelStatus | None:
        models = (await self.client.status()).models
        return next((model for model in models if model.model_id == path.stem), None)

    async def kill_runner(self, path: Path) -> None:
        """Returns when the service knows: what it hands over before that dies with the runner."""
        status = await self.status_of(path)
        assert status is not None
        os.kill(status.runner_pid, signal.SIGKILL)
        while status is not None and status.state is ModelState.READY:
            await asyncio.sleep(0.01)
            status = await self.status_of(path)


def spec_of(path: Path) -> ModelSpec:
    return ModelSpec(model_id=path.stem, name=path.stem, path=str(path))


def request_to(path: Path, generation_id: str, prompt: str = "Hello") -> GenerationRequest:
    return GenerationRequest(
        generation_id=generation_id,
        model=spec_of(path),
        messages=(ChatMessage("user", prompt),),
        sampling=SamplingParams(temperature=0, seed=1),
    )


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def has_ended(process: psutil.Process) -> bool:
    """Also when nobody has asked for its exit code yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def wait_until(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.01)
