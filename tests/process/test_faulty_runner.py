"""What the service does about runners that live and do not behave."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from inference.errors import ModelUnloaded, RunnerCrashed, RunnerStuck
from inference.messages import Logged
from inference.service import health
from inference.service.model_life import ModelLife
from inference.service.service import InferenceService
from inference.service.settings import ServiceSettings
from inference.types import Event, Failed, ModelState
from inference.wire import Decoder, read_frame
from tests.process.service_process import request_to, spec_of, wait_until

pytestmark = pytest.mark.process

MODEL = Path("/no/such/model.gguf")


@contextlib.asynccontextmanager
async def service_with(fault: str) -> AsyncIterator[InferenceService]:
    command = (sys.executable, "-P", "-m", "tests.process.faulty_runner", fault)
    service = InferenceService(ServiceSettings(socket=Path(), runner_command=command))
    try:
        yield service
    finally:
        await service.shut_down()


async def answer_of(service: InferenceService) -> list[Event]:
    service.generate(request_to(MODEL, "one"))
    return await events_of(service, "one")


async def events_of(service: InferenceService, generation_id: str) -> list[Event]:
    reader = asyncio.StreamReader()
    async for frames in service.attach(generation_id, after=0):
        reader.feed_data(frames)
    reader.feed_eof()
    decoder = Decoder[Logged](Logged)
    events: list[Event] = []
    while (logged := await read_frame(reader, decoder)) is not None:
        events.append(logged.event.event)
    return events


async def test_a_silent_runner_is_ended_and_its_request_told(monkeypatch):
    monkeypatch.setattr(health, "SILENCE_SECONDS", 1.0)
    async with service_with("silent") as service:
        last = (await answer_of(service))[-1]

        assert isinstance(last, Failed)
        assert last.error.code == RunnerStuck.code


async def test_a_runner_that_sends_garbage_is_ended_and_its_request_told():
    async with service_with("garbage") as service:
        last = (await answer_of(service))[-1]

        assert isinstance(last, Failed)
        assert last.error.code == RunnerCrashed.code
        assert "unreadable" in last.error.message


async def test_a_fault_of_ours_when_a_runner_ends_leaves_nothing_behind(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ModelLife, "_on_crashed", fail)
    async with service_with("garbage") as service:
        last = (await answer_of(service))[-1]

        assert isinstance(last, Failed)
        assert last.error.code == ModelUnloaded.code
        await wait_until(lambda: service.status().models == ())


async def test_a_runner_that_ignores_its_end_is_killed():
    async with service_with("deaf") as service:
        service.load(spec_of(MODEL))
        await wait_until(lambda: [m.state for m in service.status().models] == [ModelState.READY])
        process = psutil.Process(service.status().models[0].runner_pid)
        service.unload(MODEL.stem)
        await wait_until(lambda: service.status().models == ())

        assert not process.is_running()
