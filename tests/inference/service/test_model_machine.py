"""Whatever happens to a model in whatever order: nobody waits for ever, and no runner is left."""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import booleans, data, floats, sampled_from

from inference.errors import ModelFileInvalid, ModelLoadFailed
from inference.messages import Cancel, Emitted, Heartbeat, Loaded, LoadFailed, LoadProgress, Start
from inference.service.model_messages import (
    EvictRequested,
    LoadRequested,
    MemoryWanted,
    RunnerEnded,
    RunnerReported,
    RunnerStarted,
    ShutDown,
    UnloadRequested,
)
from inference.types import TERMINAL, Delta, Event, ModelState, Prefill
from tests.inference.service.fake_world import DONE, FakeWorld
from tests.inference.service.made_requests import SPEC

SPECS = (SPEC, msgspec.structs.replace(SPEC, context_window=512))
IDLE_SECONDS = 100.0
MAX_SEQUENCES = 2
# Longer than anything may take that nobody puts an end to.
LONG = 3600.0

ORDER = ("Queued", "Loading", "Prefill", "Delta")


class ModelMachine(RuleBasedStateMachine):
    """The runner is a part of the world: it is loaded, computes, dies and obeys as rules say."""

    def __init__(self) -> None:
        super().__init__()
        self.world = FakeWorld(max_sequences=MAX_SEQUENCES, idle_unload_seconds=IDLE_SECONDS)
        self.num_submitted = 0
        self.num_steps = 0
        self.num_questions = 0
        self.answers: list[bool] = []
        self.process_of_run = 0  # the last run that got a process
        self.loaded_run = 0
        self.is_shut = False
        self.memory_is_wanted = False

    # -- clients --------------------------------------------------------------------------------

    @rule(spec=sampled_from(SPECS))
    def request(self, spec):
        self.num_submitted += 1
        self.world.submit(str(self.num_submitted), spec)

    @precondition(lambda self: self.num_submitted)
    @rule(data=data())
    def stop(self, data):
        self.world.stop(data.draw(sampled_from(list(self.world.events))))

    @rule(spec=sampled_from(SPECS))
    def load(self, spec):
        self.world.tell(LoadRequested(spec))

    @rule()
    def unload(self):
        self.world.tell(UnloadRequested())

    @rule()
    def evict(self):
        self.num_questions += 1
        is_in_use = self.world.life.is_busy
        num_taken_down = len(self.world.taken_down)
        self.world.tell(EvictRequested(self.answers.append))

        assert not is_in_use or len(self.world.taken_down) == num_taken_down

    @rule(is_wanted=booleans())
    def its_memory_is_wanted(self, is_wanted):
        self.memory_is_wanted = is_wanted
        self.world.tell(MemoryWanted(is_wanted))

    @rule(is_rare=sampled_from(range(20)))
    def shut_down(self, is_rare):
        if is_rare == 0:
            self.is_shut = True
            self.num_questions += 1
            self.world.tell(ShutDown(self.answers.append))

    # -- time -----------------------------------------------------------------------------------

    @rule(seconds=sampled_from((0.1, 0.2, 1.0, 4.0)), beating=booleans())
    def time_passes(self, seconds, beating):
        self.world.pass_time(seconds, beating=beating and self.has_process)

    @rule()
    def the_idle_time_passes(self):
        """Exactly to the moment of the unload, so that the next rule falls into it."""
        self.world.pass_time(IDLE_SECONDS, beating=self.has_process)

    # -- the runner -----------------------------------------------------------------------------

    @precondition(lambda self: self.world.live and not self.has_process)
    @rule()
    def memory_comes_free(self):
        self.process_of_run = self.world.live
        self.world.tell(RunnerStarted(self.world.live))

    @precondition(lambda self: self.world.live and not self.has_process)
    @rule(spec=sampled_from(SPECS))
    def it_comes_up_and_is_used(self, spec):
        self.memory_comes_free()
        self.it_is_loaded()
        self.request(spec)

    @precondition(lambda self: self.has_process and not self.is_loaded)
    @rule(fraction=floats(-1, 2, allow_nan=False))
    def it_loads(self, fraction):
        self.world.report(LoadProgress(fraction))

    @precondition(lambda self: self.has_process and not self.is_loaded)
    @rule()
    def it_is_loaded(self):
        self.loaded_run = self.world.live
        self.world.report(Loaded("CPU", 2048))

    @precondition(lambda self: self.has_process and not self.is_loaded)
    @rule(error=sampled_from((ModelLoadFailed("No."), ModelFileInvalid("No."))))
    def it_says_that_it_cannot_load(self, error):
        self.world.report(LoadFailed(error.info))
        self.world.end_run(1)

    @precondition(lambda self: self.world.live and not self.has_process)
    @rule()
    def there_is_no_memory(self):
        self.world.end_run(None, error=ModelLoadFailed("Too big.").info)

    @precondition(lambda self: self.open_in_runner)
    @rule(
        data=data(),
        event=sampled_from((Prefill(1, 2), Delta("x", 1), DONE)),
    )
    def it_computes(self, data, event):
        self.num_steps += 1
        self.world.report(Heartbeat(self.num_steps, 1, 0))
        self.emit(data.draw(sampled_from(self.open_in_runner)), event)

    @precondition(lambda self: self.open_in_runner)
    @rule()
    def it_lets_go_of_what_was_cancelled(self):
        for name in self.open_in_runner:
            if Cancel(name) in self.world.sent:
                self.emit(name, DONE)

    @precondition(lambda self: self.has_process)
    @rule(exit_code=sampled_from((0, 1, -9, -11)))
    def it_ends(self, exit_code):
        self.world.end_run(exit_code)

    @precondition(lambda self: self.is_taken_down)
    @rule()
    def it_is_gone(self):
        """What was taken down ends: the promise of `take_down`."""
        self.world.end_run(0 if self.has_process else None)

    @precondition(lambda self: len(self.world.runs) > 1)
    @rule(event=sampled_from((Delta("late", 9), DONE)))
    def something_is_heard_of_an_earlier_run(self, event):
        earlier = len(self.world.runs) - 1
        for name in self.world.events:
            self.world.tell(RunnerReported(earlier, Emitted(name, event)))
        self.world.tell(RunnerEnded(earlier, -9))

    # -- what is always true --------------------------------------------------------------------
    # FakeWorld itself refuses a second runner, a command for none, and a needless `take_down`;
    # a log refuses whatever follows its terminal event.

    @invariant()
    def each_generation_ends_at_most_once_and_in_order(self):
        for events in self.world.events.values():
            terminal = [event for event in events if isinstance(event, TERMINAL)]
            assert terminal in ([], events[-1:])
            assert _is_in_order(events)

    @invariant()
    def the_runner_never_has_more_than_it_has_room_for(self):
        assert len(self.open_in_runner) <= MAX_SEQUENCES

    @invariant()
    def nobody_waits_for_a_model_that_nobody_loads(self):
        if self.world.life.state in (ModelState.UNLOADED, ModelState.FAILED):
            assert self.waiting == []
            assert self.world.live == 0
            assert len(self.answers) == self.num_questions

    @invariant()
    def nobody_waits_in_a_model_that_is_shut_down(self):
        if self.is_shut:
            assert self.waiting == []

    @invariant()
    def a_ready_model_with_room_lets_nobody_wait_who_wants_it_as_it_is(self):
        is_ready = self.world.life.state is ModelState.READY
        if is_ready and not self.open_in_runner and not self.memory_is_wanted:
            assert self.waiting == []

    def teardown(self):
        """Left alone, with a silent runner that ends when it is made to, everything settles."""
        self.world.tell(UnloadRequested())
        while self.is_taken_down:
            self.world.end_run(-9 if self.has_process else None)
        self.world.clock.now += LONG
        self.world.let_deadlines_pass()

        assert self.world.life.state in (ModelState.UNLOADED, ModelState.FAILED)
        assert self.waiting == []
        assert len(self.answers) == self.num_questions

    # -- what the world is like -----------------------------------------------------------------

    def emit(self, name: str, event: Event) -> None:
        self.world.emit(name, event)
        if isinstance(event, TERMINAL):
            self.world.sent.remove(self.start_of(name))

    def start_of(self, name: str) -> Start:
        return next(c for c in self.world.sent if isinstance(c, Start) and c.generation_id == name)

    @property
    def waiting(self) -> list[str]:
        return [
            name
            for name, events in self.world.events.items()
            if not (events and isinstance(events[-1], TERMINAL)) and name not in self.open_in_runner
        ]

    @property
    def open_in_runner(self) -> list[str]:
        return self.world.started if self.world.live else []

    @property
    def has_process(self) -> bool:
        return bool(self.world.live) and self.process_of_run == self.world.live

    @property
    def is_loaded(self) -> bool:
        return self.loaded_run == self.world.live

    @property
    def is_taken_down(self) -> bool:
        return any(run == self.world.live for run, _ in self.world.taken_down)


def _is_in_order(events: list[Event]) -> bool:
    places = [ORDER.index(type(e).__name__) for e in events if not isinstance(e, TERMINAL)]
    return places == sorted(places)


TestModelMachine = ModelMachine.TestCase
TestModelMachine.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_a_request_during_an_idle_unload_is_answered_by_the_next_load():
    """The schedule that once left a model server of others unable to load anything."""
    world = FakeWorld(idle_unload_seconds=30)
    world.tell(LoadRequested(SPEC))
    world.become_ready()
    world.pass_time(30)
    assert world.life.state is ModelState.UNLOADING
    world.submit("g")
    world.pass_time(1, beating=False)
    world.end_run(0)
    world.become_ready()

    assert world.started == ["g"]


def test_a_request_before_the_idle_time_is_noticed_keeps_the_model():
    world = FakeWorld(idle_unload_seconds=30)
    world.tell(LoadRequested(SPEC))
    world.become_ready()
    world.pass_time(29)
    world.clock.now += 1
    world.submit("g")
    world.let_deadlines_pass()

    assert world.taken_down == []


def test_an_eviction_asked_for_during_an_idle_unload_is_answered_with_it():
    world = FakeWorld(idle_unload_seconds=30)
    world.tell(LoadRequested(SPEC))
    world.become_ready()
    world.pass_time(30)
    answers: list[bool] = []
    world.tell(EvictRequested(answers.append))
    world.submit("g")
    assert answers == []
    world.end_run(0)

    assert answers == [True]
    assert world.life.state is ModelState.LOADING
