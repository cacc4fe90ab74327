"""Headers are read by a process of its own: what happens to it happens to nobody else."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path

import psutil
import pytest

from inference import headers
from inference.errors import ModelFileInvalid
from inference.gguf_header import GGUFHeader
from inference.headers import known_header, read_headers
from inference.model_files import read_any
from tests.inference.gguf_files import FLOAT32, LLAMA, File, pair
from tests.made_folders import write_random_folder

FAULTY = "tests.inference.faulty_header_process"


def good(path: Path) -> Path:
    return File().write(path)


def test_several_models_are_read_as_they_would_be_here(tmp_path):
    paths = [good(tmp_path / "one.gguf"), write_random_folder(tmp_path / "two")]
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(File().content()[:50])

    *found, refused = read_headers([*paths, broken])

    assert found == [read_any(path) for path in paths]
    with pytest.raises(ModelFileInvalid) as here:
        read_any(broken)
    assert isinstance(refused, ModelFileInvalid)
    assert (str(refused), refused.facts) == (str(here.value), here.value.facts)


def test_numbers_that_json_does_not_know_come_through(tmp_path):
    path = tmp_path / "odd.gguf"
    temperature = pair("general.sampling.temp", FLOAT32, struct.pack("<f", math.nan))
    File(pairs=(*LLAMA, temperature)).write(path)

    (found,) = read_headers([path])

    assert isinstance(found, GGUFHeader)
    assert math.isnan(found.sampling["temperature"])


@pytest.mark.parametrize("fault", ["loops", "grows", "dies", "sleeps", "babbles"])
def test_a_file_that_is_too_much_for_its_reader_is_refused_and_the_others_are_read(
    tmp_path, monkeypatch, fault
):
    monkeypatch.setattr(headers, "MODULE", FAULTY)
    if fault == "sleeps":
        monkeypatch.setattr(headers, "SECONDS_A_FILE", 3.0)
    paths = [good(tmp_path / f"{name}.gguf") for name in ("before", fault, "after")]

    children = psutil.Process().children(recursive=True)

    before, refused, after = read_headers(paths)

    assert [before, after] == [read_any(path) for path in (paths[0], paths[2])]
    assert isinstance(refused, ModelFileInvalid)
    assert "limits of time and memory" in str(refused)
    assert psutil.Process().children(recursive=True) == children


def test_what_is_known_is_read_again_only_when_the_file_has_changed(tmp_path, monkeypatch):
    path = good(tmp_path / "one.gguf")
    first = known_header(path)

    monkeypatch.setattr(headers, "MODULE", "no.such.module")
    assert known_header(path) is first

    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelFileInvalid):
        known_header(path)


def test_nothing_is_started_for_nothing(monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)

    assert list(read_headers([])) == []
