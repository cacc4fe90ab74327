"""What to do about what `minerva_site.examination` found: one entry for each thing that is wrong
or leaves speed on the table. No advice is good news."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from inference.hardware.llama_build import LlamaBuild
from inference.hardware.machine import Machine
from minerva_site.examination import Examination, Storage
from minerva_site.sqlite import is_sound

REBUILD = "Remove .venv and run make run: it compiles llama.cpp for what is here."
LOW_DISK_BYTES = 10 * 1024**3


def advice(found: Examination) -> list[str]:
    hints = _llama(found) + _cuda(found.machine, found.llama)
    return hints + _sqlite(sqlite3.sqlite_version_info) + _storage(found.storage)


def _llama(found: Examination) -> list[str]:
    if found.llama is None:
        return [f"{found.llama_problem} {REBUILD}"]
    if found.machine.cpu.has_amx and found.llama.has_amx:
        return [
            "llama.cpp was built with AMX, and its AMX code crashes at the first prompt of every "
            f"quantised model. {REBUILD} It leaves AMX out."
        ]
    return []


def _cuda(machine: Machine, llama: LlamaBuild | None) -> list[str]:
    cuda = machine.cuda
    if llama is None or "CUDA" in llama.accelerators:
        return []
    if cuda.can_build:
        return [f"{cuda.gpus[0].name} is not used: llama.cpp was built for the CPU. {REBUILD}"]
    if cuda.gpus:
        return [
            f"{cuda.gpus[0].name} is not used: there is no CUDA toolkit (nvcc). Install the "
            "toolkit of your driver's version, then remove .venv and run make run."
        ]
    if cuda.compiler:
        return [
            f"nvcc is here, but {cuda.problem}. With an NVIDIA GPU in this machine, install its "
            "driver, then remove .venv and run make run; without one, nothing is missing."
        ]
    return []


def _sqlite(version: tuple[int, ...]) -> list[str]:
    if is_sound(version):
        return []
    return [
        f"SQLite {'.'.join(map(str, version))} can corrupt a database while it is written to. "
        "Use a Python with SQLite 3.51.3 or newer."
    ]


def _storage(storage: Storage) -> list[str]:
    hints = []
    if storage.free < LOW_DISK_BYTES:
        hints.append(
            f"Only {storage.free / 1e9:.1f} GB are free for {storage.data_dir}; one model takes "
            "2 to 50 GB. Make room, or choose another folder with MINERVA_DATA_DIR."
        )
    return hints + [_missing(path) for path in storage.model_dirs if not path.is_dir()]


def _missing(path: Path) -> str:
    return f"The model folder {path} does not exist. Create it, or change MINERVA_MODEL_DIRS."
