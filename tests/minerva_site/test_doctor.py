from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.management import call_command

from inference.hardware.cpu import Cpu
from inference.hardware.gpu import Cuda, Gpu
from inference.hardware.llama_build import LlamaBuild
from inference.hardware.machine import Machine
from inference.hardware.memory import Memory
from minerva_site.advice import advice
from minerva_site.examination import Examination, Storage
from minerva_site.management.commands.doctor import as_text

ROOT = Path(__file__).resolve().parents[2]
H100 = Gpu("NVIDIA H100", "cuda", 80_000_000_000, "580.65", "9.0")
NO_CUDA = Cuda("", "", (), "no NVIDIA driver answers (there is no nvidia-smi)")
MACHINE = Machine(
    cpu=Cpu("EPYC", "x86_64", ("AVX2",), 4, 8, 8),
    memory=Memory(64_000_000_000, 32_000_000_000, limited=False),
    cuda=NO_CUDA,
    gpus=(),
)
BUILD = LlamaBuild("0.3.36", ("AVX2",), (), gpu_offload=False)


@pytest.fixture
def found(tmp_path) -> Examination:
    """A machine on which all is well."""
    return Examination(
        machine=MACHINE,
        llama=BUILD,
        llama_problem="",
        versions={"Minerva": "0.1.0"},
        storage=Storage(tmp_path, exists=True, free=10**12, model_dirs=(tmp_path,)),
    )


def with_cuda(found: Examination, cuda: Cuda) -> Examination:
    return replace(found, machine=replace(found.machine, cuda=cuda, gpus=cuda.gpus))


def with_amx(found: Examination, *features: str) -> Examination:
    cpu = replace(found.machine.cpu, features=("AVX2", "AMX INT8"))
    return replace(
        found,
        machine=replace(found.machine, cpu=cpu),
        llama=replace(BUILD, features=features),
    )


def test_there_is_nothing_to_do_when_all_is_well(found):
    assert advice(found) == []
    assert "Nothing: all is as it should be." in as_text(found)


def test_a_build_with_amx_is_warned_of_on_a_processor_with_amx(found):
    report = with_amx(found, "AVX2", "AMX_INT8")

    assert "crashes at the first prompt" in advice(report)[0]
    assert "models will crash" in as_text(report)


def test_a_guarded_build_needs_no_advice_on_a_processor_with_amx(found):
    report = with_amx(found, "AVX2")

    assert advice(report) == []
    assert "left out of the build on purpose" in as_text(report)


@pytest.mark.parametrize(
    ("cuda", "words"),
    [
        (replace(NO_CUDA, compiler="/usr/bin/nvcc"), "nvcc is here, but no NVIDIA driver answers"),
        (Cuda("", "", (H100,), ""), "there is no CUDA toolkit (nvcc)"),
        (Cuda("/usr/bin/nvcc", "13.0", (H100,), ""), "llama.cpp was built for the CPU"),
    ],
)
def test_an_unused_gpu_is_told_with_what_is_missing(found, cuda, words):
    assert words in advice(with_cuda(found, cuda))[0]


def test_a_gpu_in_use_needs_no_advice(found):
    report = with_cuda(found, Cuda("/usr/bin/nvcc", "13.0", (H100,), ""))
    report = replace(report, llama=replace(BUILD, accelerators=("CUDA",), gpu_offload=True))

    assert advice(report) == []
    assert "NVIDIA H100, 80.0 GB, driver 580.65" in as_text(report)
    assert "usable: GGUF models, on CUDA and CPU" in as_text(report)


def test_an_engine_that_cannot_be_loaded_says_why_and_what_to_do(found):
    report = replace(found, llama=None, llama_problem="llama-cpp-python is not installed.")

    assert "not usable: llama-cpp-python is not installed." in as_text(report)
    assert "make run" in advice(report)[0]


def test_mlx_says_how_it_is_set_up_or_what_it_runs_on(found):
    assert "MLX               not usable: it is not set up; “make mlx” does it" in as_text(found)
    assert "MLX               usable: MLX models, on CPU" in as_text(replace(found, mlx="0.32.2"))


def test_a_full_disk_and_a_missing_model_folder_are_told(found, tmp_path):
    storage = replace(found.storage, free=10**9, model_dirs=(tmp_path / "gone",))

    hints = advice(replace(found, storage=storage))

    assert "Only 1.0 GB are free" in hints[0]
    assert str(tmp_path / "gone") in hints[1]


def test_a_share_of_the_machine_is_told_as_such(found):
    cpu = replace(MACHINE.cpu, physical_cores=2, logical_cores=2)
    memory = replace(MACHINE.memory, limited=True)

    text = as_text(replace(found, machine=replace(MACHINE, cpu=cpu, memory=memory)))

    assert "2 physical, 2 logical for this process, of 8 in the machine" in text
    assert "limited by a control group" in text


def test_the_doctor_examines_this_machine_for_programs_too(capsys):
    call_command("doctor", "--json")

    report = json.loads(capsys.readouterr().out)

    assert report["machine"]["cpu"]["physical_cores"] >= 1
    assert report["llama"]["version"] == report["versions"]["llama-cpp-python"]
    assert [engine["name"] for engine in report["engines"]] == ["llama.cpp", "MLX"]


@pytest.mark.process
def test_the_doctor_needs_no_database(tmp_path):
    folder = tmp_path / "data"

    answer = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env=os.environ | {"MINERVA_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "What to do" in answer.stdout
    assert not (folder / "minerva.sqlite3").exists()
