"""A process ends with the one that holds its lifeline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from inference.lifeline import LIFELINE_VARIABLE, exit_with_parent

CHILD = """
import os, signal
from inference.lifeline import LIFELINE_VARIABLE, exit_with_parent
exit_with_parent()
assert LIFELINE_VARIABLE not in os.environ
print("ready", flush=True)
signal.pause()
"""

PARENT = f"""
import os, subprocess, sys
read_end, write_end = os.pipe()
child = subprocess.Popen(
    [sys.executable, "-c", {CHILD!r}],
    pass_fds=[read_end],
    env={{**os.environ, {LIFELINE_VARIABLE!r}: str(read_end)}},
    start_new_session=True,
)
print(child.pid, flush=True)
child.wait()
"""

pytestmark = pytest.mark.process


def test_a_process_ends_when_its_lifeline_is_closed():
    read_end, write_end = os.pipe()
    environment = {**os.environ, LIFELINE_VARIABLE: str(read_end)}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        pass_fds=[read_end],
        env=environment,
        stdout=subprocess.PIPE,
    ) as child:
        os.close(read_end)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"

        os.close(write_end)

        assert child.wait(timeout=30) != 0


def test_a_process_ends_when_the_holder_of_its_lifeline_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child_pid = int(parent.stdout.readline())
        assert parent.stdout.readline() == b"ready\n"

        parent.send_signal(signal.SIGKILL)

        # The child holds the same pipe open: its end is the child's end.
        assert parent.stdout.read() == b""
    assert child_pid > 0


def test_a_process_without_a_lifeline_runs_on(monkeypatch):
    monkeypatch.delenv(LIFELINE_VARIABLE, raising=False)

    exit_with_parent()
