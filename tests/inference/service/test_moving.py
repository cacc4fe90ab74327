"""Requests that go to another model: which, when, and what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference.causes import HANDLING, RETRIES, Cause, RetryClass, retry_of
from inference.errors import ErrorInfo, ModelFileInvalid, ModelLoadFailed, ServiceUnavailable
from inference.messages import LoadFailed
from inference.service.breaker import OPEN_SECONDS
from inference.service.generation import Generation
from inference.service.model_messages import RunnerStarted, UnloadRequested
from inference.types import (
    Delta,
    EmbeddingRequest,
    Failed,
    GenerationRequest,
    Loading,
    ModelSpec,
    ModelState,
    Moved,
    Queued,
    RawPrompt,
    SamplingParams,
)
from tests.inference.service.fake_world import DONE, FakeWorld, recorded
from tests.inference.service.made_requests import SPEC, FakeClock, request_of

OTHER = ModelSpec(model_id="other", name="Other", path="/models/other.gguf")
ROUTED = msgspec.structs.replace(SPEC, fallback=OTHER)
NO_MEMORY = ModelLoadFailed("It needs 9 GiB.", needed_bytes=9, free_bytes=1).info


def fail_all_links(world: FakeWorld) -> None:
    for _ in range(2):
        world.tell(RunnerStarted(world.live))
        world.end_run(-11)


def generation_of(**fields: Any) -> Generation:
    request = msgspec.structs.replace(request_of("g", ROUTED), **fields)
    return Generation(request, clock=FakeClock())


# -- which requests, and when ---------------------------------------------------------------------


def test_who_waits_moves_when_every_link_has_failed_and_others_are_told():
    world = FakeWorld()
    world.submit("routed", ROUTED)
    world.submit("plain", SPEC)
    world.tell(RunnerStarted(world.live))
    world.end_run(-11)
    assert world.passed_on == []

    world.tell(RunnerStarted(world.live))
    world.end_run(-11)

    assert [name for name, _ in world.passed_on] == ["routed"]
    assert isinstance(world.last("plain"), Failed)
    assert world.life.state is ModelState.FAILED


def test_who_waits_moves_when_there_is_no_memory_for_it():
    world = FakeWorld()
    world.submit("g", ROUTED)
    world.end_run(None, error=NO_MEMORY)

    assert world.passed_on == [("g", NO_MEMORY)]
    assert world.life.breaker.seconds_open(world.clock.now) == 0


def test_while_it_is_left_alone_requests_move_at_once_and_nothing_is_started():
    world = FakeWorld()
    for number in range(4):
        world.submit(str(number), SPEC)
        fail_all_links(world)
    num_runs = len(world.runs)

    world.submit("routed", ROUTED)
    world.submit("plain", SPEC)

    assert len(world.runs) == num_runs
    assert [name for name, _ in world.passed_on] == ["routed"]
    last = world.last("plain")
    assert isinstance(last, Failed)
    assert last.error.facts["retry_after"] == 61
    assert "crashed" in last.error.message


def test_a_trial_that_answers_ends_it_and_one_that_fails_makes_it_longer():
    world = FakeWorld()
    for number in range(4):
        world.submit(str(number))
        fail_all_links(world)
    world.clock.now += OPEN_SECONDS
    world.submit("trial")
    fail_all_links(world)
    assert world.life.breaker.seconds_open(world.clock.now) == 2 * OPEN_SECONDS

    world.clock.now += 2 * OPEN_SECONDS
    world.submit("second trial")
    world.become_ready()
    assert world.life.breaker.status(world.clock.now, wall_clock=0).failures
    world.emit("second trial", DONE)

    assert not world.life.breaker.status(world.clock.now, wall_clock=0).failures


def test_what_has_begun_stays_with_its_model():
    world = FakeWorld()
    world.submit("g", ROUTED)
    world.become_ready()
    world.emit("g", Delta("Once", 1))
    world.end_run(-9)

    assert world.passed_on == []
    assert isinstance(world.last("g"), Failed)
    assert world.text("g") == "Once"


def test_an_unload_by_hand_moves_nobody():
    world = FakeWorld()
    world.submit("g", ROUTED)
    world.tell(UnloadRequested())

    assert world.passed_on == []
    assert isinstance(world.last("g"), Failed)


def test_its_runner_is_told_nothing_of_the_other_model():
    world = FakeWorld()
    world.submit("g", ROUTED)

    assert world.runs[0].spec == SPEC


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": RawPrompt(tokens=(1, 2))},
        {"sampling": SamplingParams(logit_bias=((5, 1.0),))},
        {"model": SPEC},
    ],
)
def test_tokens_mean_nothing_to_another_model(fields):
    assert generation_of().can_move
    assert not generation_of(**fields).can_move


def test_vectors_of_another_model_are_no_substitute():
    wanted = EmbeddingRequest(generation_id="e", model=ROUTED, inputs=("a",))

    assert not Generation(wanted, clock=FakeClock()).can_move


# -- what is told -----------------------------------------------------------------------------------


def test_the_log_tells_where_it_went_and_why_and_begins_anew():
    generation = generation_of()
    events = recorded(generation)
    generation.record(Queued(1))
    generation.record(Loading(0.5))
    generation.move(NO_MEMORY)
    generation.record(Queued(1))
    generation.record(Loading(0.0))

    assert events[2] == Moved("other", "Other", "Model could not be loaded, out of memory")
    assert events[3:] == [Queued(1), Loading(0.0)]
    assert isinstance(generation.request, GenerationRequest)
    assert generation.request.model == OTHER
    assert not generation.can_move


# -- classes of failures ------------------------------------------------------------------------------


def test_each_cause_has_a_class_and_each_class_says_what_is_made_of_it():
    assert set(HANDLING) == set(Cause)
    assert set(RETRIES) == set(RetryClass)


def test_a_permanent_fault_opens_at_once_and_tries_no_other_link():
    world = FakeWorld()
    world.submit("g")
    world.tell(RunnerStarted(world.live))
    world.report(LoadFailed(ModelFileInvalid("It is cut.").info))
    world.end_run(1)

    assert len(world.runs) == 1
    assert world.life.breaker.seconds_open(world.clock.now) == OPEN_SECONDS


def test_other_settings_may_try_what_failed_for_good():
    world = FakeWorld()
    world.submit("g")
    world.tell(RunnerStarted(world.live))
    world.report(LoadFailed(ModelLoadFailed("No.", cause=Cause.SETTINGS.value).info))
    world.end_run(1)
    fail_all_links_left(world)
    before = len(world.runs)

    world.submit("as before")
    assert len(world.runs) == before
    world.submit("changed", msgspec.structs.replace(SPEC, context_window=512))
    assert len(world.runs) == before + 1


def fail_all_links_left(world: FakeWorld) -> None:
    while world.live:
        world.tell(RunnerStarted(world.live))
        world.report(LoadFailed(ModelLoadFailed("No.", cause=Cause.SETTINGS.value).info))
        world.end_run(1)


@pytest.mark.parametrize(
    ("error", "counts", "moves_on", "retry_after"),
    [
        (ModelLoadFailed("x", cause="crash").info, True, True, 5),
        (NO_MEMORY, True, True, 30),
        (ModelFileInvalid("x").info, True, True, None),
        (ErrorInfo("remote_unreachable", "x"), True, True, 5),
        (ErrorInfo("remote_refused", "x", {"status": 401}), True, True, None),
        (ErrorInfo("remote_refused", "x", {"status": 500}), True, True, 5),
        (ServiceUnavailable("x").info, False, False, 2),
    ],
)
def test_what_is_made_of_a_failure(error, counts, moves_on, retry_after):
    retry = retry_of(error)

    assert (retry.counts, retry.moves_on, retry.retry_after) == (counts, moves_on, retry_after)


def test_the_table_in_the_docs_is_the_one_that_is_used():
    docs = (Path(__file__).parents[3] / "docs/engines.md").read_text()

    for cause, handling in HANDLING.items():
        retry = RETRIES[handling.retry_class]
        cells = [
            cause.value.replace("_", " "),
            handling.retry_class.value,
            "yes" if handling.tries_next_link else "no",
            "at once" if retry.is_lasting else "the fourth in a minute",
            "yes" if retry.moves_on else "no",
            f"{retry.retry_after:.0f} s" if retry.retry_after else "\N{EN DASH}",
        ]
        assert f"| {' | '.join(cells)} |" in docs
