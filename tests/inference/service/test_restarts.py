"""Restart intensity: three failures in a minute are forgiven, the fourth is not."""

from __future__ import annotations

from inference.service.restarts import RestartLimit


def limit_after(*failures: float) -> RestartLimit:
    limit = RestartLimit()
    for at in failures:
        limit.note_failure(at)
    return limit


def test_three_failures_in_a_minute_close_nothing():
    assert limit_after(1, 2, 3).seconds_closed(3) == 0


def test_the_fourth_failure_in_a_minute_closes_for_a_minute():
    limit = limit_after(1, 2, 3, 4)

    assert limit.seconds_closed(4) == 60
    assert limit.seconds_closed(63.5) == 0.5
    assert limit.seconds_closed(64) == 0


def test_failures_spread_over_more_than_a_minute_close_nothing():
    assert limit_after(0, 30, 59, 61).seconds_closed(61) == 0


def test_a_reset_opens_at_once():
    limit = limit_after(1, 2, 3, 4)
    limit.reset()

    assert limit.seconds_closed(4) == 0
