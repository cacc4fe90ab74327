"""A remote model through a real service: what a user sees when its server is killed in mid-answer."""

from __future__ import annotations

import asyncio

import pytest

from inference.types import (
    ChatMessage,
    Event,
    GenerationRequest,
    ModelSpec,
    ModelState,
    ModelStatus,
    RemoteEndpoint,
    SamplingParams,
)
from tests.made_models import write_scripted_model
from tests.process.remote_servers import llama_cpp_server, needs_llama_server
from tests.process.runner_process import failed
from tests.process.service_process import PATIENCE_SECONDS, ServiceProcess, text_of

pytestmark = [pytest.mark.process, pytest.mark.timeout(240), needs_llama_server]

TEXT = " ".join(f"owl {number}" for number in range(700))
GREEDY = SamplingParams(temperature=0.0)


@pytest.fixture
def server(tmp_path):
    path = write_scripted_model(tmp_path / "owls.gguf", TEXT, context_length=8192)
    with llama_cpp_server(path, 8192) as server:
        yield server


async def test_a_server_killed_in_mid_answer_is_told_with_the_text_kept(server, tmp_path):
    with ServiceProcess(tmp_path) as service:
        assert text_of(await complete(service, server.endpoint)) == TEXT
        await start(service, server.endpoint, "cut")
        await service.until_it_writes("cut")
        server.process.kill()
        events = await service.read("cut")
        status = await failed_status(service)
        (again,) = await complete(service, server.endpoint, "again", last=1)

    kept = text_of(events)
    assert 0 < len(kept) < len(TEXT)
    assert TEXT.startswith(kept)
    assert failed(events).error.message.startswith("The server “Lab” broke off")
    assert status.error is not None
    assert status.error.message == failed(events).error.message
    assert failed([again]).error.message.startswith("The server “Lab” cannot be reached")


async def complete(
    service: ServiceProcess, endpoint: RemoteEndpoint, name: str = "whole", *, last: int = 0
) -> list[Event]:
    await start(service, endpoint, name)
    return (await service.read(name))[-last:]


async def start(service: ServiceProcess, endpoint: RemoteEndpoint, name: str) -> None:
    there = RemoteEndpoint(
        base_url=endpoint.base_url, model=endpoint.model, key=endpoint.key, server_name="Lab"
    )
    spec = ModelSpec(model_id="remote", name="owls", path="", remote=there)
    messages = (ChatMessage("user", "Tell me."),)
    await service.client.generate(
        GenerationRequest(generation_id=name, model=spec, messages=messages, sampling=GREEDY)
    )


async def failed_status(service: ServiceProcess) -> ModelStatus:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for model in (await service.client.status()).models:
                if model.state is ModelState.FAILED:
                    return model
            await asyncio.sleep(0.01)
