"""The life of a model, transition by transition, without a process and without waiting."""

from __future__ import annotations

import msgspec
import pytest

from inference.errors import (
    ErrorInfo,
    ModelFileInvalid,
    ModelLoadFailed,
    ModelUnloaded,
    RunnerCrashed,
    RunnerStuck,
    ServiceUnavailable,
)
from inference.messages import Cancel, Heartbeat, LoadFailed, LoadProgress
from inference.service.model_messages import (
    EvictRequested,
    LoadRequested,
    MemoryWanted,
    ModelMessage,
    RunnerEnded,
    RunnerStarted,
    ShutDown,
    UnloadRequested,
)
from inference.service.turn import TURN_SECONDS
from inference.types import (
    Delta,
    Failed,
    Finished,
    FinishReason,
    Loading,
    ModelState,
    Prefill,
    Queued,
    Usage,
)
from tests.inference.service.fake_world import DONE, FakeWorld
from tests.inference.service.made_requests import SPEC

OTHER_WINDOW = msgspec.structs.replace(SPEC, context_window=512)


def ready_world(**options: int) -> FakeWorld:
    world = FakeWorld(**options)
    world.tell(LoadRequested(SPEC))
    world.become_ready()
    return world


def left_alone_world() -> FakeWorld:
    """It crashed once more than is forgiven."""
    world = FakeWorld()
    for name in "abcd":
        world.submit(name)
        world.become_ready()
        world.end_run(-11)
    return world


def failure(world: FakeWorld, generation_id: str) -> str:
    last = world.last(generation_id)
    assert isinstance(last, Failed)
    return last.error.code


def shown_error(world: FakeWorld) -> ErrorInfo:
    error = world.life.status().error
    assert error is not None
    return error


def fail_to_load(world: FakeWorld) -> None:
    """Both links of a CPU-only chain."""
    for _ in range(2):
        world.tell(RunnerStarted(world.live))
        world.end_run(-11)


# -- loading ------------------------------------------------------------------------------------


def test_the_first_request_loads_the_model_and_is_started_when_it_is_ready():
    world = FakeWorld()
    world.submit("g")
    assert world.life.status().state is ModelState.LOADING
    world.become_ready()

    assert world.life.status().state is ModelState.READY
    assert world.started == ["g"]


def test_many_requests_for_an_unloaded_model_start_one_runner():
    world = FakeWorld()
    for number in range(50):
        world.submit(str(number))
    world.tell(LoadRequested(SPEC))
    world.become_ready()

    assert len(world.runs) == 1


def test_those_the_load_has_room_for_see_it_and_the_others_their_place():
    world = FakeWorld(max_sequences=2)
    for name in "abcd":
        world.submit(name)
    world.tell(RunnerStarted(world.live))
    world.report(LoadProgress(0.5))

    assert [world.last(name) for name in "abcd"] == [
        Loading(0.5),
        Loading(0.5),
        Queued(1),
        Queued(2),
    ]


def test_whoever_moves_up_during_the_load_sees_it_too():
    world = FakeWorld(max_sequences=1)
    world.submit("a")
    world.submit("b")
    world.stop("a")

    assert world.events["b"] == [Queued(1), Loading(0.0)]


def test_a_runner_that_dies_while_loading_moves_to_the_next_link_and_it_is_told():
    world = FakeWorld()
    world.submit("g")
    world.tell(RunnerStarted(world.live))
    world.end_run(-11)
    assert world.life.status().state is ModelState.LOADING
    world.become_ready()

    assert [load.settings.use_extra_bufts for load in world.runs] == [True, False]
    assert "without extra buffer types" in world.life.status().fallback
    assert "SIGSEGV" in world.life.status().fallback


def test_a_file_that_is_no_model_is_not_tried_again_on_another_link():
    world = FakeWorld()
    world.submit("g")
    world.tell(RunnerStarted(world.live))
    world.report(LoadFailed(ModelFileInvalid("It is a text file.").info))
    world.end_run(0)

    assert len(world.runs) == 1
    assert failure(world, "g") == ModelFileInvalid.code
    assert world.life.status().state is ModelState.FAILED
    assert shown_error(world).message == "It is a text file."


def test_a_chain_without_a_holding_link_fails_with_the_reason_of_the_last():
    world = FakeWorld()
    world.submit("g")
    world.tell(RunnerStarted(world.live))
    world.end_run(-11)
    world.tell(RunnerStarted(world.live))
    world.report(LoadFailed(ModelLoadFailed("There is no memory for the cache.").info))
    world.end_run(0)

    assert shown_error(world).message == "There is no memory for the cache."
    assert shown_error(world).facts == {"log_tail": "last line"}
    assert failure(world, "g") == ModelLoadFailed.code


def test_the_next_request_tries_a_failed_model_again():
    world = FakeWorld()
    world.submit("a")
    fail_to_load(world)
    world.submit("b")
    world.become_ready()

    assert world.started == ["b"]
    assert world.life.status().error is None


def test_no_memory_ends_the_load_without_trying_other_links():
    world = FakeWorld()
    world.submit("g")
    world.end_run(None, error=ModelLoadFailed("Too big.").info)

    assert len(world.runs) == 1
    assert world.life.status().error == ModelLoadFailed("Too big.").info


def test_a_load_that_hangs_is_ended_by_force_and_the_next_link_tried():
    world = FakeWorld()
    world.submit("g")
    world.tell(RunnerStarted(world.live))
    world.pass_time(16, beating=False)
    assert world.taken_down == [(1, True)]
    world.end_run(-9)

    assert len(world.runs) == 2


def test_a_load_that_beats_but_never_ends_is_given_up_after_a_quarter_of_an_hour():
    world = FakeWorld()
    world.tell(LoadRequested(SPEC))
    world.tell(RunnerStarted(world.live))
    world.pass_time(899)
    assert world.taken_down == []
    world.pass_time(2)

    assert world.taken_down == [(1, True)]


def test_the_wait_for_memory_counts_neither_as_silence_nor_as_load():
    world = FakeWorld()
    world.submit("g")
    world.pass_time(110, beating=False)
    world.become_ready()

    assert world.taken_down == []
    assert world.life.status().load_seconds == 0


def test_a_stopped_request_no_longer_loads_a_model_that_waits_for_memory():
    world = FakeWorld()
    world.submit("g")
    world.stop("g")
    assert world.taken_down == [(1, False)]
    world.end_run(None)

    assert world.life.status().state is ModelState.UNLOADED
    assert len(world.runs) == 1


def test_a_load_that_was_asked_for_goes_on_without_requests():
    world = FakeWorld()
    world.tell(LoadRequested(SPEC))
    world.submit("g")
    world.stop("g")
    world.become_ready()

    assert world.life.status().state is ModelState.READY


# -- computing ----------------------------------------------------------------------------------


def test_no_more_sequences_are_open_than_the_runner_has_room_for():
    world = ready_world(max_sequences=2)
    for name in "abc":
        world.submit(name)
    assert world.started == ["a", "b"]
    assert world.last("c") == Queued(1)
    world.emit("a", DONE)

    assert world.started == ["a", "b", "c"]


def test_deltas_arrive_in_their_own_log():
    world = ready_world()
    world.submit("a")
    world.submit("b")
    world.emit("a", Delta("x", 1))
    world.emit("b", Delta("y", 1))
    world.emit("a", Delta("z", 2))

    assert (world.text("a"), world.text("b")) == ("xz", "y")


def test_a_request_for_another_context_window_waits_and_loads_anew():
    world = ready_world()
    world.submit("a")
    world.submit("b", OTHER_WINDOW)
    assert world.life.status().state is ModelState.READY
    world.emit("a", DONE)
    world.end_run(0)
    world.become_ready()

    assert world.runs[-1].spec == OTHER_WINDOW
    assert world.started == ["b"]


def test_another_name_for_the_same_file_loads_nothing():
    world = ready_world()
    world.submit("a", msgspec.structs.replace(SPEC, name="New name"))

    assert world.started == ["a"]


# -- stop ---------------------------------------------------------------------------------------


def test_stop_in_the_queue_ends_it_at_once_and_the_runner_never_hears_of_it():
    world = ready_world(max_sequences=1)
    world.submit("a")
    world.submit("b")
    world.stop("b")

    last = world.last("b")
    assert isinstance(last, Finished)
    assert last.reason is FinishReason.CANCELLED
    assert world.started == ["a"]


def test_stop_while_running_ends_with_the_runners_own_counts():
    world = ready_world()
    world.submit("g")
    world.emit("g", Delta("some", 1))
    world.stop("g")
    assert world.sent[-1] == Cancel("g")
    world.emit(
        "g", msgspec.structs.replace(DONE, usage=Usage(prompt_tokens=7, completion_tokens=3))
    )

    last = world.last("g")
    assert isinstance(last, Finished)
    assert (last.reason, last.usage.completion_tokens) == (FinishReason.CANCELLED, 3)


def test_stop_ends_the_log_even_when_the_runner_is_slow_to_answer():
    world = ready_world(max_sequences=1)
    world.submit("g")
    world.emit("g", Prefill(5, 9))
    world.emit("g", Delta("some", 1))
    world.stop("g")
    world.pass_time(0.2)
    world.emit("g", Delta("late", 2))

    last = world.last("g")
    assert isinstance(last, Finished)
    assert last.usage == Usage(prompt_tokens=9, completion_tokens=1)
    assert world.text("g") == "some"


def test_a_stopped_sequence_keeps_its_place_until_the_runner_lets_go():
    world = ready_world(max_sequences=1)
    world.submit("a")
    world.submit("b")
    world.stop("a")
    world.pass_time(1)
    assert world.started == ["a"]
    world.emit("a", DONE)

    assert world.started == ["a", "b"]


def test_a_runner_that_does_not_let_go_of_a_stopped_sequence_is_ended():
    world = ready_world(max_sequences=1)
    world.submit("a")
    world.submit("b")
    world.stop("a")
    world.pass_time(6)
    assert world.taken_down == [(1, True)]
    world.end_run(-9)
    world.become_ready()

    assert world.started == ["b"]


def test_stop_of_an_unknown_generation_is_nothing():
    world = ready_world()
    world.stop("never heard of")

    assert world.sent == []


# -- crash, hang, silence -----------------------------------------------------------------------


def test_a_crash_fails_what_ran_keeps_its_text_and_starts_a_new_runner_for_who_waits():
    world = ready_world(max_sequences=1)
    world.submit("a")
    world.submit("b")
    world.emit("a", Delta("kept", 1))
    world.end_run(-9)
    assert failure(world, "a") == RunnerCrashed.code
    assert world.text("a") == "kept"
    world.become_ready()

    assert world.started == ["b"]


def test_a_crash_is_shown_until_the_next_request():
    world = ready_world()
    world.end_run(-11)
    status = world.life.status()

    assert status.state is ModelState.FAILED
    assert status.error is not None
    assert status.error.facts == {"exit_code": -11, "log_tail": "last line"}
    assert "SIGSEGV" in status.error.message


def test_a_silent_runner_is_ended_and_its_requests_are_told():
    world = ready_world()
    world.submit("g")
    world.pass_time(16, beating=False)

    assert world.taken_down == [(1, True)]
    assert failure(world, "g") == RunnerStuck.code


def test_a_runner_that_beats_without_a_step_is_ended_after_a_minute():
    world = ready_world()
    world.submit("g")
    world.pass_time(59)
    assert world.taken_down == []
    world.pass_time(2)

    assert failure(world, "g") == RunnerStuck.code
    world.end_run(-9)
    assert world.life.status().state is ModelState.FAILED


def test_a_slow_runner_is_left_alone():
    world = ready_world()
    world.submit("g")
    for step in range(10):
        world.pass_time(50)
        world.report(Heartbeat(num_steps=step + 1, num_running=1, num_waiting=0))

    assert world.taken_down == []


def test_a_model_that_keeps_crashing_is_left_alone_for_a_minute():
    world = left_alone_world()
    world.submit("refused")
    assert failure(world, "refused") == ModelLoadFailed.code
    assert world.live == 0
    world.clock.now += 61
    world.submit("again")

    assert world.live != 0


def test_one_that_is_left_alone_is_started_when_somebody_loads_it():
    world = left_alone_world()

    world.tell(LoadRequested(SPEC))

    assert world.life.status().state is ModelState.LOADING
    assert world.life.breaker.seconds_open(world.clock.now) == 0


def test_a_report_of_an_earlier_run_is_ignored():
    world = ready_world()
    world.end_run(-9)
    world.submit("g")
    world.tell(RunnerEnded(1, 0))

    assert world.life.status().state is ModelState.LOADING


# -- unloading ----------------------------------------------------------------------------------


def test_an_idle_model_is_unloaded_after_its_time():
    world = ready_world(idle_unload_seconds=30)
    world.submit("g")
    world.pass_time(40)
    assert world.taken_down == []
    world.emit("g", DONE)
    world.pass_time(29)
    assert world.taken_down == []
    world.pass_time(1)
    world.end_run(0)

    assert world.life.status().state is ModelState.UNLOADED


def test_a_models_own_settings_go_before_those_of_the_service():
    own = msgspec.structs.replace(SPEC, max_sequences=1, kv_cache_type="q8_0")
    world = FakeWorld(max_sequences=4)
    world.tell(LoadRequested(own))
    world.become_ready()

    world.submit("one", own)
    world.submit("two", own)

    assert world.runs[-1].settings.kv_cache_type == "q8_0"
    assert (world.life.status().num_running, world.life.status().num_waiting) == (1, 1)


def test_another_idle_time_holds_at_once_and_loads_nothing_again():
    world = ready_world(idle_unload_seconds=30)

    world.tell(LoadRequested(msgspec.structs.replace(SPEC, idle_unload_seconds=500)))
    world.pass_time(31)
    assert world.taken_down == []

    world.pass_time(500)
    assert len(world.taken_down) == len(world.runs) == 1


def test_a_pinned_model_stays_whatever_the_time_and_whoever_needs_its_memory():
    world = ready_world(idle_unload_seconds=30)
    answers: list[bool] = []

    world.tell(LoadRequested(msgspec.structs.replace(SPEC, is_pinned=True)))
    world.pass_time(5000)
    world.tell(EvictRequested(answers.append))

    assert answers == [False]
    assert world.taken_down == []
    assert len(world.runs) == 1


def test_a_model_that_the_next_request_no_longer_pins_may_go():
    world = ready_world(idle_unload_seconds=30)
    world.tell(LoadRequested(msgspec.structs.replace(SPEC, is_pinned=True)))
    world.submit("g")
    world.emit("g", DONE)
    world.pass_time(31)

    assert len(world.taken_down) == 1


def test_without_an_idle_time_a_model_stays():
    world = ready_world(idle_unload_seconds=0)
    world.pass_time(5000)

    assert world.life.status().state is ModelState.READY


@pytest.mark.parametrize("is_ready", [True, False])
def test_unload_fails_everyone_and_loads_nothing_again(is_ready):
    world = ready_world(max_sequences=1) if is_ready else FakeWorld(max_sequences=1)
    world.submit("a")
    world.submit("b")
    world.tell(UnloadRequested())
    world.end_run(0)

    assert failure(world, "a") == failure(world, "b") == ModelUnloaded.code
    assert world.life.status().state is ModelState.UNLOADED
    assert world.live == 0


def test_a_request_during_the_unloading_loads_again_behind_it():
    world = ready_world()
    world.tell(UnloadRequested())
    world.submit("g")
    assert len(world.runs) == 1
    world.end_run(0)
    world.become_ready()

    assert world.started == ["g"]


def test_unload_clears_a_failure():
    world = FakeWorld()
    for _ in range(4):
        world.tell(LoadRequested(SPEC))
        fail_to_load(world)
    world.tell(UnloadRequested())
    assert world.life.status().state is ModelState.UNLOADED
    world.tell(LoadRequested(SPEC))

    assert world.life.status().state is ModelState.LOADING


def test_an_idle_model_is_evicted_and_says_so_when_the_memory_is_free():
    world = ready_world()
    answers: list[bool] = []
    world.tell(EvictRequested(answers.append))
    assert answers == []
    world.end_run(0)

    assert answers == [True]


def test_a_model_in_use_is_not_evicted():
    world = ready_world()
    world.submit("g")
    answers: list[bool] = []
    world.tell(EvictRequested(answers.append))

    assert answers == [False]
    assert world.taken_down == []


@pytest.mark.parametrize("message", [LoadRequested(SPEC), None])
def test_shut_down_ends_everything_and_starts_nothing(message: ModelMessage | None):
    world = ready_world(max_sequences=1)
    world.submit("a")
    world.submit("b")
    gone: list[bool] = []
    world.tell(ShutDown(gone.append))
    if message:
        world.tell(message)
    assert failure(world, "a") == failure(world, "b") == ServiceUnavailable.code
    assert gone == []
    world.end_run(0)
    world.submit("late")

    assert gone == [True]
    assert failure(world, "late") == ServiceUnavailable.code
    assert world.live == 0


def test_a_request_that_waited_too_long_is_told():
    world = ready_world(max_sequences=1)
    world.submit("a")
    world.submit("b")
    for step in range(19):
        world.pass_time(50)
        world.report(Heartbeat(num_steps=step + 1, num_running=1, num_waiting=0))

    assert failure(world, "b") == "overloaded"


# -- making way for another ---------------------------------------------------------------------


def test_a_model_whose_turn_is_over_ends_what_runs_and_starts_nothing():
    world = FakeWorld(max_sequences=1)
    world.submit("runs")
    world.become_ready()
    world.tell(MemoryWanted(is_wanted=True))
    world.submit("waits")
    world.pass_time(TURN_SECONDS)
    assert world.life.is_busy
    world.emit("runs", DONE)

    assert world.started == ["runs"]
    assert not world.life.is_busy


def test_who_waits_in_a_model_that_made_way_causes_the_next_load():
    world = FakeWorld(max_sequences=1)
    world.submit("runs")
    world.become_ready()
    world.tell(MemoryWanted(is_wanted=True))
    world.submit("waits")
    world.pass_time(TURN_SECONDS)
    world.emit("runs", DONE)
    answers: list[bool] = []
    world.tell(EvictRequested(answers.append))
    world.end_run()
    assert answers == [True]
    world.become_ready()

    assert world.started == ["waits"]


def test_it_goes_on_as_soon_as_its_memory_is_no_longer_wanted():
    world = FakeWorld(max_sequences=1)
    world.submit("runs")
    world.become_ready()
    world.tell(MemoryWanted(is_wanted=True))
    world.submit("waits")
    world.pass_time(TURN_SECONDS)
    world.emit("runs", DONE)
    world.tell(MemoryWanted(is_wanted=False))

    assert world.started == ["runs", "waits"]


def test_an_unload_for_idle_models_lets_a_busy_one_be():
    world = ready_world()
    world.submit("g")
    world.tell(UnloadRequested(if_idle=True))
    assert world.taken_down == []
    world.emit("g", DONE)
    world.tell(UnloadRequested(if_idle=True))

    assert world.taken_down == [(1, False)]


def test_what_the_runner_did_is_counted_through_its_end():
    world = ready_world()
    world.submit("g")
    world.emit("g", Delta("x", 3))
    tally = world.life.tally
    before = tally.loaded_at
    world.end_run(-9)

    assert (before, tally.loaded_at) == (world.clock.now, None)
    assert tally.completion_tokens == 3


# -- requests for tokens --------------------------------------------------------------------------


def test_other_settings_wait_for_tokens_that_are_counted():
    world = ready_world()
    world.count("count")
    world.submit("chat", OTHER_WINDOW)
    assert world.taken_down == []

    world.emit("count", DONE)

    assert world.taken_down == [(1, False)]
    world.end_run()
    assert world.last("count") == DONE
    assert world.life.state is ModelState.LOADING


def test_a_model_that_makes_way_ends_what_it_counts_and_counts_no_more():
    world = ready_world()
    first = world.count("first")
    world.tell(MemoryWanted(True))
    world.pass_time(TURN_SECONDS + 60)
    second = world.count("second")
    gone: list[bool] = []
    world.tell(EvictRequested(gone.append))
    assert (gone, world.taken_down, second.started_at) == ([False], [], None)

    world.emit("first", DONE)
    world.tell(EvictRequested(gone.append))
    world.end_run()

    assert first.has_ended
    assert gone == [False, True]
    assert world.life.state is ModelState.LOADING  # for the second


def test_what_a_runner_still_counts_when_it_is_gone_is_ended():
    world = ready_world()
    counting = world.count("count")
    world.life._unload("to see it")  # nothing of ours does so now

    world.end_run()

    assert counting.has_ended
    assert isinstance(error := world.last("count"), Failed)
    assert error.error.code == ModelUnloaded.code
    assert not world.life.is_busy
