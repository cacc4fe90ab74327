"""Users take turns; who sends many at once waits for himself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import ErrorInfo
from inference.messages import Cancel, Emitted, RunnerCommand, Start, Tokenize
from inference.service.generation import Generation
from inference.service.generation_queue import GenerationQueue
from inference.types import Finished, FinishReason, Timings, TokensRequest, Usage
from tests.inference.service.made_requests import SPEC, FakeClock, request_of

DONE = Finished(
    FinishReason.STOP,
    Usage(prompt_tokens=1, completion_tokens=1),
    Timings(time_to_first_token=0.0, decode=0.0, total=0.0),
)


class Queue:
    """Generations are named "user number"; `started` in the order of their starts."""

    def __init__(self, *, max_sequences: int = 1, weights: dict[str, float] | None = None) -> None:
        self.weights = weights or {}
        self.clock = FakeClock()
        self.started: list[str] = []
        self.queue = GenerationQueue(max_sequences=max_sequences, send=self._take, clock=self.clock)

    def send(self, *names: str) -> None:
        for name in names:
            user = name.split()[0]
            request = request_of(name, user=user, weight=self.weights.get(user, 1.0))
            self.queue.add(Generation(request, clock=self.clock))

    def start(self) -> None:
        while self.queue.num_waiting and self.queue.has_room:
            self.queue.start_next()

    def end(self, name: str) -> None:
        self.queue.record(Emitted(name, DONE))

    def run(self) -> list[str]:
        """Everything to its end, one after the other."""
        self.start()
        for name in self.started:  # grows meanwhile
            self.end(name)
            self.start()
        return self.started

    def _take(self, command: RunnerCommand) -> None:
        assert isinstance(command, Start | Cancel)
        if isinstance(command, Start):
            self.started.append(command.generation_id)


def test_requests_for_tokens_wait_for_nobodys_turn_and_take_no_place():
    sent: list[RunnerCommand] = []
    clock = FakeClock()
    queue = GenerationQueue(max_sequences=1, send=sent.append, clock=clock)
    for name in ("first", "second"):
        queue.add(Generation(request_of(name), clock=clock))
    queue.start_next()
    asked = TokensRequest(generation_id="count", model=SPEC, text="hello")
    counting = Generation(asked, clock=clock)
    queue.add(counting)

    queue.start_counting(lambda spec: False)
    assert [type(command) for command in sent] == [Start]
    queue.start_counting(lambda spec: spec == SPEC)

    assert [type(command) for command in sent] == [Start, Tokenize]
    assert (queue.num_running, queue.num_waiting) == (1, 1)
    queue.record(Emitted("count", DONE))
    assert counting.has_ended


def test_a_request_for_tokens_ends_when_it_is_stopped_or_its_runner_is_gone():
    clock = FakeClock()
    queue = GenerationQueue(max_sequences=1, send=lambda command: None, clock=clock)
    counting = [
        Generation(TokensRequest(generation_id=name, model=SPEC, text="x"), clock=clock)
        for name in ("stopped", "lost")
    ]
    for one in counting:
        queue.add(one)
    queue.start_counting(lambda spec: True)
    assert not queue.is_empty

    queue.stop("stopped")
    queue.fail_running(ErrorInfo("runner_crashed", "It is gone."))

    assert all(one.has_ended for one in counting)
    assert queue.is_empty


def test_one_user_is_served_in_order():
    queue = Queue()
    queue.send("ada 1", "ada 2", "ada 3")

    assert queue.run() == ["ada 1", "ada 2", "ada 3"]


def test_who_comes_second_waits_for_one_request_of_the_first_and_not_for_twenty():
    queue = Queue()
    queue.send(*(f"ada {number}" for number in range(20)))
    queue.start()
    queue.send("grace 1")

    assert queue.run()[:3] == ["ada 0", "grace 1", "ada 1"]


def test_users_take_turns():
    queue = Queue()
    queue.send("ada 1", "ada 2", "ada 3", "grace 1", "grace 2", "alan 1")

    assert queue.run() == ["ada 1", "grace 1", "alan 1", "ada 2", "grace 2", "ada 3"]


def test_who_was_served_often_before_is_not_made_to_pay_for_it():
    queue = Queue()
    queue.send(*(f"ada {number}" for number in range(5)))
    queue.run()

    queue.send("ada 5", "grace 1")

    assert queue.run()[5:] == ["ada 5", "grace 1"]


def test_who_comes_late_takes_turns_too_and_catches_nothing_up():
    queue = Queue()
    queue.send(*(f"ada {number}" for number in range(6)))
    queue.start()
    for number in range(3):
        queue.end(f"ada {number}")
        queue.start()

    queue.send("grace 1", "grace 2", "grace 3")

    assert queue.run()[4:] == ["grace 1", "ada 4", "grace 2", "ada 5", "grace 3"]


def test_who_weighs_more_gets_more_turns():
    queue = Queue(weights={"ada": 2.0})
    queue.send(
        *(f"ada {number}" for number in range(5)), *(f"grace {number}" for number in range(3))
    )

    order = [name.split()[0] for name in queue.run()]

    assert order == ["ada", "grace", "ada", "ada", "grace", "ada", "ada", "grace"]


def test_requests_taken_back_cost_no_turn():
    queue = Queue()
    queue.send("alan 1")
    queue.start()
    queue.send("ada 1", "ada 2", "ada 3")
    for name in ("ada 1", "ada 2", "ada 3"):
        queue.queue.stop(name)
    queue.send("ada 4", "grace 1")

    assert queue.run() == ["alan 1", "ada 4", "grace 1"]


@pytest.mark.parametrize("max_sequences", [1, 3])
@given(data=st.data())
def test_nobody_is_overtaken_twice_by_the_same_user(max_sequences: int, data: st.DataObject):
    """A user's first waiting request starts before anybody else has started two after it came."""
    queue = Queue(max_sequences=max_sequences)
    started_at: dict[str, int] = {}
    for number in range(data.draw(st.integers(1, 25))):
        name = f"{data.draw(st.sampled_from(['ada', 'grace', 'alan']))} {number}"
        if data.draw(st.booleans()) and queue.started:
            queue.end(data.draw(st.sampled_from(queue.started)))
        is_first = not any(
            user == name.split()[0] for user in (one.split()[0] for one in _open(queue))
        )
        queue.send(name)
        if is_first:
            started_at[name] = len(queue.started)
        queue.start()

    order = queue.run()

    for name, before in started_at.items():
        overtaking = [one.split()[0] for one in order[before : order.index(name)]]
        assert all(overtaking.count(user) <= 1 for user in overtaking)


def _open(queue: Queue) -> list[str]:
    return [
        *(generation.id for generation in queue.queue._waiting),
        *queue.queue._running,
    ]
