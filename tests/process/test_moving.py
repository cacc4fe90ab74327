"""Requests that go to another model through the real service, with runners that fail as told."""

from __future__ import annotations

import msgspec
import pytest

from inference.service import service as service_module
from inference.service.service import InferenceService
from inference.types import Delta, Event, Failed, ModelState, ModelStatus, Moved
from tests.process.service_process import request_to, spec_of, wait_until
from tests.process.test_faulty_runner import MODEL, answer_of, events_of, service_with

pytestmark = pytest.mark.process

BROKEN = spec_of(MODEL.with_name("broken.gguf"))
GOOD = spec_of(MODEL.with_name("good.gguf"))


async def asked(service: InferenceService, name: str, *models: str) -> list[Event]:
    """Of the first of these models, which has the others as its chain of fallbacks."""
    spec = None
    for model in reversed(models):
        one = spec_of(MODEL.with_name(f"{model}.gguf"))
        spec = msgspec.structs.replace(one, fallback=spec)
    assert spec is not None
    service.generate(msgspec.structs.replace(request_to(MODEL, name), model=spec))
    return await events_of(service, name)


def status_of(service: InferenceService, model_id: str) -> ModelStatus:
    return service.details(model_id).status


async def test_another_model_answers_what_the_first_cannot_load():
    async with service_with("picky") as service:
        events = await asked(service, "one", "broken", "good")

        moves = [event for event in events if isinstance(event, Moved)]
        assert moves == [Moved("good", "good", "broken could not be loaded, out of memory")]
        assert [event.text for event in events if isinstance(event, Delta)] == ["Here."]
        assert status_of(service, "broken").state is ModelState.FAILED
        assert status_of(service, "good").num_answers == 1


async def test_a_chain_is_gone_along_to_its_end_and_the_last_reason_is_told():
    async with service_with("picky") as service:
        events = await asked(service, "one", "broken", "broken too", "also broken")

        assert [event.name for event in events if isinstance(event, Moved)] == [
            "broken too",
            "also broken",
        ]
        last = events[-1]
        assert isinstance(last, Failed)
        assert last.error.message == "There is not enough memory."


async def test_while_a_model_is_left_alone_the_other_answers_without_a_start():
    async with service_with("picky") as service:
        for number in range(4):
            await asked(service, f"failed {number}", "broken")
        breaker = status_of(service, "broken").breaker
        assert (breaker.state, len(breaker.failures)) == ("open", 4)

        events = await asked(service, "one", "broken", "good")

        (moved,) = [event for event in events if isinstance(event, Moved)]
        assert moved.reason == "broken failed again and again, out of memory"
        service.unload("broken")
        await wait_until(lambda: not status_of(service, "broken").breaker.failures)


async def test_stop_finds_a_request_wherever_it_has_gone():
    async with service_with("picky") as service:
        spec = msgspec.structs.replace(BROKEN, fallback=GOOD)
        for number in range(20):
            name = str(number)
            service.generate(msgspec.structs.replace(request_to(MODEL, name), model=spec))
            service.stop(name)
            assert not isinstance((await events_of(service, name))[-1], Failed)


async def test_a_gpu_that_fails_at_load_ends_on_the_cpu_and_says_why(monkeypatch):
    monkeypatch.setattr(service_module, "has_gpu_build", lambda: True)
    async with service_with("no_gpu") as service:
        events = await answer_of(service)

        assert [event.text for event in events if isinstance(event, Delta)] == ["Here."]
        status = status_of(service, MODEL.stem)
        assert (status.state, status.device) == (ModelState.READY, "CPU")
        assert status.fallback == (
            "Runs on the CPU. Not on the GPU with all layers: There is not enough memory."
        )
