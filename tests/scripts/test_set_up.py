from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import set_up
from build_flags import BuildFlags
from report import SetUpFailed, elapsed

ROOT = Path(__file__).resolve().parents[2]
FLAGS = BuildFlags(cmake=(), notes=(), key="key")


@pytest.fixture
def venv(tmp_path, monkeypatch):
    """A .venv of its own that is as good as set up."""
    folder = tmp_path / ".venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(set_up, "VENV", folder)
    monkeypatch.setattr(set_up, "STAMP", folder / "stamp.json")
    return folder


def find_python(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / "find-python")],
        env={"PATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def plant(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_nothing_is_done_when_nothing_changed(venv, monkeypatch, capsys):
    monkeypatch.setattr(set_up, "build_flags", lambda **facts: FLAGS)
    set_up.write_stamps({"run": set_up.stamp_of("run", FLAGS)})
    monkeypatch.setenv("PATH", "/nowhere")

    set_up.main("run")

    assert capsys.readouterr().out == ""


def test_the_stamp_changes_with_the_build_flags_and_the_requirements(tmp_path, monkeypatch):
    before = set_up.stamp_of("run", FLAGS)
    other_flags = set_up.stamp_of("run", BuildFlags(cmake=(), notes=(), key="other"))
    other_file = tmp_path / "requirements.txt"
    other_file.write_text("llama-cpp-python==0.0.1\n")
    monkeypatch.setitem(set_up.REQUIREMENTS, "run", other_file)

    assert len({before, other_flags, set_up.stamp_of("run", FLAGS)}) == 3


@pytest.mark.parametrize("text", ["", "{half", json.dumps(["a list"])])
def test_a_damaged_stamp_means_set_up_again(venv, text):
    (venv / "stamp.json").write_text(text)

    assert set_up.read_stamps() == {}


def test_a_stamp_without_its_interpreter_does_not_count(venv):
    set_up.write_stamps({"run": "abc"})
    (venv / "bin" / "python").unlink()

    assert set_up.read_stamps() == {}


def test_requirements_without_llama_cpp_are_refused(tmp_path):
    file = tmp_path / "requirements.txt"
    file.write_text("django==5.2.19\n")

    with pytest.raises(SetUpFailed, match="does not pin"):
        set_up.pinned_llama_version(file)


def test_a_python_that_fits_is_found(tmp_path):
    (tmp_path / "python3").symlink_to(sys.executable)

    found = find_python(tmp_path)

    assert found.returncode == 0
    assert os.access(found.stdout.strip(), os.X_OK)


def test_a_python_that_is_too_old_is_passed_over(tmp_path):
    plant(tmp_path / "python3", "exit 1")
    plant(tmp_path / "python3.12", f'exec {sys.executable} "$@"')

    assert find_python(tmp_path).returncode == 0


def test_without_a_python_the_next_step_is_told(tmp_path):
    plant(tmp_path / "python3", "exit 1")

    found = find_python(tmp_path)

    assert found.returncode == 1
    assert "needs Python 3.11 or newer" in found.stderr
    assert found.stdout == ""


def test_a_named_python_that_does_not_fit_is_not_replaced_by_another(tmp_path):
    (tmp_path / "python3").symlink_to(sys.executable)

    found = find_python(tmp_path, MINERVA_PYTHON="/nowhere/python3")

    assert found.returncode == 1
    assert "/nowhere/python3" in found.stderr


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.9, "4 s"), (60, "1 min 00 s"), (245, "4 min 05 s")]
)
def test_times_read_naturally(seconds, text):
    assert elapsed(seconds) == text
