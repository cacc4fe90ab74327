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


def test_failures_count_for_a_minute():
    limit = RestartLimit()
    for at in (0.0, 10.0, 59.0):
        limit.note_failure(at)

    assert [limit.num_failures(at) for at in (59.0, 65.0, 119.0, 120.0)] == [3, 2, 1, 0]
