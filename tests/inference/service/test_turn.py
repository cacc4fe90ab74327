"""A model in use makes way for one that waits, when its turn is over and no sooner."""

from __future__ import annotations

from inference.service.turn import TURN_SECONDS, Turn


def test_while_nobody_waits_a_turn_has_no_end():
    assert not Turn(0).is_over(10**6)


def test_it_is_over_a_while_after_another_began_to_wait():
    turn = Turn(0)
    turn.want(100, is_wanted=True)
    turn.want(110, is_wanted=True)

    assert not turn.is_over(100 + TURN_SECONDS - 1)
    assert turn.is_over(100 + TURN_SECONDS)


def test_who_waited_already_when_it_was_loaded_waits_for_a_whole_turn():
    turn = Turn(100)
    turn.want(50, is_wanted=True)

    assert not turn.is_over(100 + TURN_SECONDS - 1)
    assert turn.is_over(100 + TURN_SECONDS)


def test_no_turn_is_shorter_than_the_load_was():
    turn = Turn(0, load_seconds=90)
    turn.want(0, is_wanted=True)

    assert not turn.is_over(89)
    assert turn.is_over(90)


def test_it_goes_on_when_the_other_gave_up():
    turn = Turn(0)
    turn.want(0, is_wanted=True)
    turn.want(TURN_SECONDS + 1, is_wanted=False)

    assert not turn.is_over(10**6)
