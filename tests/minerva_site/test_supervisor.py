"""The supervisor with small real processes in place of Minerva's own."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from minerva_site.child import Program
from minerva_site.child_log import ChildLog
from minerva_site.supervisor import GaveUp, Supervisor

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {mark}; time.sleep(600)"
)


def wait_until(condition, *, seconds: float = 20.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


class Stage:
    """Runs a supervisor in this, the main thread, while `script` acts from another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._said: list[str] = []

    @property
    def said(self) -> list[str]:
        return [line for line in self._said if " is ready after " not in line]

    def program(self, name: str, code: str, **options) -> Program:
        mark = f"open({str(self.folder / name)!r}, 'a').write(str(__import__('os').getpid()) + ' ')"
        code = code.format(mark=mark) if "{mark}" in code else f"{mark}; {code}"
        ready = options.pop("is_ready", lambda: bool(self.started(name)))
        options.setdefault("stop_seconds", 5.0)
        return Program(name, [sys.executable, "-c", code], ready, **options)

    def started(self, name: str) -> list[int]:
        """The process ids of every start of this program."""
        try:
            return [int(word) for word in (self.folder / name).read_text().split()]
        except FileNotFoundError:
            return []

    def run(self, *programs: Program, script=None) -> None:
        supervisor = Supervisor(
            programs,
            folder=self.folder,
            logs_folder=self.folder,
            environment=os.environ,
            say=self._said.append,
        )
        actor: threading.Thread | None = None

        def when_ready() -> None:
            nonlocal actor
            actor = threading.Thread(target=self._act, args=(script,))
            actor.start()

        self._is_running = True
        try:
            supervisor.run(when_ready=when_ready)
        finally:
            self._is_running = False
            if actor:
                actor.join()

    def _act(self, script) -> None:
        try:
            if script:
                script()
        finally:
            if self._is_running:
                os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


def test_programs_start_one_after_the_other_as_each_becomes_ready(stage):
    found: list[list[int]] = []

    def is_first_ready() -> bool:
        found.append(stage.started("second"))
        return len(found) > 2 and bool(stage.started("first"))

    first = stage.program("first", SLEEP, is_ready=is_first_ready)

    stage.run(first, stage.program("second", SLEEP))

    assert found == [[]] * len(found)
    assert len(stage.started("second")) == 1


def test_everything_has_ended_after_sigterm(stage):
    stage.run(stage.program("first", SLEEP), stage.program("second", SLEEP))

    assert is_gone(stage.started("first")[0])
    assert is_gone(stage.started("second")[0])
    assert stage.said == ["Stopping."]


def test_one_that_does_not_stop_is_killed_when_its_time_is_over(stage):
    stage.run(stage.program("stubborn", STUBBORN, stop_seconds=0.2))

    assert is_gone(stage.started("stubborn")[0])


def test_what_a_child_started_ends_with_it(stage):
    child = (
        "import subprocess, sys, time; "
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); "
        f"open({str(stage.folder / 'grandchild')!r}, 'w').write(str(p.pid)); time.sleep(600)"
    )
    program = stage.program(
        "parent", child, is_ready=lambda: (stage.folder / "grandchild").exists(), stop_seconds=0.5
    )

    stage.run(program)

    grandchild = int((stage.folder / "grandchild").read_text())
    wait_until(lambda: is_gone(grandchild) or psutil.Process(grandchild).status() == "zombie")


def test_one_that_dies_is_started_again_and_the_others_stay(stage):
    def script():
        os.kill(stage.started("second")[0], signal.SIGKILL)
        wait_until(lambda: len(stage.started("second")) == 2)

    stage.run(stage.program("first", SLEEP), stage.program("second", SLEEP), script=script)

    assert len(stage.started("first")) == 1
    assert "second ended unexpectedly (signal 9, SIGKILL)." in stage.said[0]


def test_one_that_keeps_dying_stops_everything_and_the_reason_is_given(stage):
    code = "print('out of luck', flush=True); raise SystemExit(7)"
    dying = stage.program("dying", code, is_ready=lambda: False)

    with pytest.raises(GaveUp) as failure:
        stage.run(stage.program("first", SLEEP), dying)

    assert len(stage.started("dying")) == 4  # once, and three times again
    assert is_gone(stage.started("first")[0])
    assert "dying ended 4 times within a minute, the last time with exit code 7" in str(
        failure.value
    )
    assert "out of luck" in str(failure.value)
    assert str(stage.folder / "dying.log") in str(failure.value)


def test_deaths_that_lie_further_apart_than_the_window_are_forgiven(stage, monkeypatch):
    monkeypatch.setattr("minerva_site.supervisor.RESTART_WINDOW_SECONDS", 0.0)

    def script():
        for number in range(6):
            wait_until(lambda number=number: len(stage.started("child")) == number + 1)
            os.kill(stage.started("child")[-1], signal.SIGKILL)

    stage.run(stage.program("child", SLEEP), script=script)

    assert len(stage.started("child")) >= 6


def test_one_that_does_not_become_ready_is_started_again(stage):
    slow = stage.program(
        "slow", SLEEP, is_ready=lambda: len(stage.started("slow")) > 1, ready_seconds=0.5
    )

    stage.run(slow)

    assert len(stage.started("slow")) == 2
    assert stage.said[0] == "slow does not become ready; starting it again."


def test_a_question_that_fails_does_not_stop_the_start(stage):
    questions = iter(range(10))

    def is_ready() -> bool:
        if next(questions) == 0:
            raise ValueError("not now")
        return True

    stage.run(stage.program("child", SLEEP, is_ready=is_ready))

    assert len(stage.started("child")) == 1


def test_a_signal_that_does_not_wake_the_main_thread_is_heard_all_the_same(stage):
    heard: list[bool] = []

    def send() -> None:
        time.sleep(0.3)  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        heard.append(wait_until(lambda: "Stopping." in stage.said))

    stage.run(stage.program("idle", SLEEP), script=send)

    assert heard == [True]


def test_what_a_child_prints_is_kept_in_its_log(stage):
    program = stage.program("speaker", "print('hello', flush=True); " + SLEEP)
    log = stage.folder / "speaker.log"

    stage.run(program, script=lambda: wait_until(lambda: log.exists() and log.read_text()))

    assert log.read_text() == "hello\n"


def test_a_log_has_a_largest_size_and_a_few_older_files(tmp_path, monkeypatch):
    monkeypatch.setattr("minerva_site.child_log.MAX_BYTES", 100)
    log = ChildLog(tmp_path / "web.log")

    for number in range(100):
        log.write(f"line {number}\n".encode())
    log.close()

    files = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(files) == {"web.log", "web.log.1", "web.log.2", "web.log.3"}
    assert max(files.values()) <= 100
    assert log.tail(2) == ["line 98", "line 99"]


def test_a_log_goes_on_where_an_earlier_start_left_it(tmp_path):
    (tmp_path / "web.log").write_text("earlier\n")
    log = ChildLog(tmp_path / "web.log")

    log.write(b"now\n")
    log.close()

    assert (tmp_path / "web.log").read_text() == "earlier\nnow\n"
