from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from inference.hardware.machine import this_machine
from inference.hardware.memory import memory_within

ROOT = Path(__file__).resolve().parents[3]


def test_the_tighter_of_machine_and_group_is_the_memory():
    memory = memory_within(total=64, available=40, limit=16, headroom=10)

    assert (memory.total, memory.available, memory.limited) == (16, 10, True)


def test_a_group_that_allows_more_than_there_is_does_not_limit():
    memory = memory_within(total=64, available=40, limit=128, headroom=128)

    assert (memory.total, memory.available, memory.limited) == (64, 40, False)


def test_this_machine_is_probed_once_and_has_memory():
    machine = this_machine()

    assert machine is this_machine()
    assert 0 < machine.memory.available <= machine.memory.total <= psutil.virtual_memory().total


def test_the_set_up_can_probe_before_anything_is_installed():
    code = "import inference.hardware.cpu, inference.hardware.gpu, sys; print(*sys.modules)"

    imported = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert "inference.hardware.gpu" in imported
    assert "psutil" not in imported
