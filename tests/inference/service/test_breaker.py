"""The breaker of a model: closed, open, half-open, and closed again."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from inference.service.breaker import (
    MAX_FAILURES,
    MAX_OPEN_SECONDS,
    OPEN_SECONDS,
    WITHIN_SECONDS,
    Breaker,
)
from inference.types import BreakerState


def breaker_after(*failures: float) -> Breaker:
    breaker = Breaker()
    for at in failures:
        breaker.note_failure(at, f"at {at:.0f}")
    return breaker


def test_three_failures_in_a_minute_open_nothing():
    assert breaker_after(1, 2, 3).state(3) is BreakerState.CLOSED


def test_the_fourth_failure_in_a_minute_opens_for_a_minute():
    breaker = breaker_after(1, 2, 3, 4)

    assert breaker.seconds_open(4) == 60
    assert breaker.seconds_open(63.5) == 0.5
    assert breaker.state(63.5) is BreakerState.OPEN
    assert breaker.state(64) is BreakerState.HALF_OPEN


def test_failures_spread_over_more_than_a_minute_open_nothing():
    assert breaker_after(0, 30, 59, 61).seconds_open(61) == 0


def test_one_that_nothing_cures_opens_at_once():
    breaker = Breaker()
    breaker.note_failure(5, "bad file", is_lasting=True)

    assert breaker.seconds_open(5) == 60


def test_whoever_asks_by_hand_does_not_wait():
    breaker = breaker_after(1, 2, 3, 4)

    breaker.close(10)

    assert breaker.state(10) is BreakerState.CLOSED
    assert not breaker.status(10, wall_clock=1010).failures


def test_what_is_closed_keeps_its_failures_when_somebody_asks():
    breaker = breaker_after(1, 2, 3)

    breaker.close(3)
    breaker.note_failure(4)

    assert breaker.seconds_open(4) == 60


def test_a_trial_that_fails_opens_for_twice_as_long_up_to_ten_minutes():
    breaker, now = breaker_after(1, 2, 3, 4), 4.0
    waits = []
    for _ in range(5):
        now += breaker.seconds_open(now)
        breaker.note_failure(now)
        waits.append(breaker.seconds_open(now))

    assert waits == [120, 240, 480, 600, 600]


def test_a_trial_that_answers_closes_and_forgets():
    breaker = breaker_after(1, 2, 3, 4)
    breaker.note_failure(64)
    breaker.note_answer(190)

    assert breaker.state(190) is BreakerState.CLOSED
    for at in (191, 192, 193):
        breaker.note_failure(at)
    assert breaker.state(193) is BreakerState.CLOSED
    breaker.note_failure(194)
    assert breaker.seconds_open(194) == 60


def test_an_answer_of_one_that_was_never_left_alone_forgives_nothing():
    """A model that crashes in every second answer would never be left alone."""
    breaker = breaker_after(1, 2, 3)
    breaker.note_answer(3.5)
    breaker.note_failure(4)

    assert breaker.state(4) is BreakerState.OPEN


def test_a_reset_lets_the_next_start_through_at_once():
    breaker = breaker_after(1, 2, 3, 4)
    breaker.reset()

    assert breaker.state(4) is BreakerState.CLOSED


def test_the_status_tells_since_when_until_when_and_the_failures():
    breaker = breaker_after(1, 2, 3, 4)

    opened = breaker.status(10, wall_clock=1010)
    assert (opened.state, opened.since, opened.until) == (BreakerState.OPEN, 1004, 1064)
    assert opened.num_failures == 4
    assert [(one.at, one.message) for one in opened.failures][-1] == (1004, "at 4")
    half = breaker.status(70, wall_clock=1070)
    assert (half.state, half.since, half.until) == (BreakerState.HALF_OPEN, 1064, 0)
    breaker.note_answer(80)
    closed = breaker.status(90, wall_clock=1090)
    assert (closed.state, closed.since, closed.failures) == (BreakerState.CLOSED, 1080, ())


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, against the rules in their plainest form."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 1000.0
        self.recent: list[float] = []
        self.open_until: float | None = None
        self.pause = OPEN_SECONDS

    @rule(seconds=st.integers(0, 700))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(is_lasting=st.booleans())
    def fails(self, is_lasting: bool) -> None:
        self.breaker.note_failure(self.now, is_lasting=is_lasting)
        self.recent.append(self.now)
        count = sum(self.now - at <= WITHIN_SECONDS for at in self.recent)
        if self.open_until is not None:
            self.pause = min(2 * self.pause, MAX_OPEN_SECONDS)
            self.open_until = self.now + self.pause
        elif is_lasting or count > MAX_FAILURES:
            self.pause, self.open_until = OPEN_SECONDS, self.now + OPEN_SECONDS

    @rule()
    @precondition(lambda self: self.open_until is None or self.now >= self.open_until)
    def answers(self) -> None:
        self.breaker.note_answer(self.now)
        if self.open_until is not None:
            self.reset_model()

    @rule()
    def is_reset(self) -> None:
        self.breaker.reset()
        self.reset_model()

    @rule()
    def somebody_loads_it(self) -> None:
        self.breaker.close(self.now)
        if self.open_until is not None and self.now < self.open_until:
            self.reset_model()

    def reset_model(self) -> None:
        self.recent, self.open_until, self.pause = [], None, OPEN_SECONDS

    @invariant()
    def is_as_the_rules_say(self) -> None:
        state = self.breaker.state(self.now)
        if self.open_until is None:
            assert state is BreakerState.CLOSED
        else:
            is_open = self.now < self.open_until
            assert state is (BreakerState.OPEN if is_open else BreakerState.HALF_OPEN)

    @invariant()
    def nobody_waits_for_longer_than_ten_minutes(self) -> None:
        assert 0 <= self.breaker.seconds_open(self.now) <= MAX_OPEN_SECONDS


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
