"""A stuck runner is found by its silence or its lack of progress; a slow one is left alone."""

from __future__ import annotations

from inference.service.health import RunnerHealth


def test_silence_of_fifteen_seconds_is_a_fault():
    health = RunnerHealth(100)
    health.heard(110)

    assert health.deadline() == 125
    assert health.fault(124.9) == ""
    assert "no sign of life" in health.fault(125)


def test_a_runner_without_work_need_not_step():
    health = RunnerHealth(0)
    for second in range(200):
        health.heard(second)
        health.stepped(second, 7)

    assert health.fault(200) == ""


def test_steps_that_stand_still_under_work_are_a_fault_after_a_minute():
    health = RunnerHealth(0)
    health.loaded(100)
    health.watch_steps(100, is_working=True)
    health.stepped(101, 7)
    for second in range(101, 161):
        health.heard(second)
        health.stepped(second, 7)
        health.watch_steps(second, is_working=True)
        assert health.fault(second) == ""

    assert "no progress" in health.fault(161)


def test_a_slow_step_a_while_apart_is_progress():
    health = RunnerHealth(0)
    health.watch_steps(0, is_working=True)
    for step in range(10):
        now = step * 50.0
        health.heard(now)
        health.stepped(now, step)
        assert health.fault(now) == ""


def test_time_that_we_slept_through_ourselves_is_no_fault_of_the_runner():
    health = RunnerHealth(0)

    assert health.fault(600) == ""
    assert "no sign of life" in health.fault(616)


def test_a_load_may_take_a_quarter_of_an_hour():
    health = RunnerHealth(0)
    for second in range(900):
        health.heard(second)
        assert health.fault(second) == ""

    assert health.deadline() == 900
    assert "was not loaded after 15 minutes" in health.fault(900)


def test_once_it_is_loaded_the_limit_is_none():
    health = RunnerHealth(0)
    assert health.loaded(10) == 10
    health.heard(2000)

    assert health.deadline() == 2015
