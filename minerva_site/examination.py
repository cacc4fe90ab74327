"""What `manage.py doctor` finds out: facts about this machine and this installation, and advice.

No database is opened and no model is loaded. Each fact is probed here once; `doctor` only prints.
"""

from __future__ import annotations

import platform
import shutil
import sqlite3
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from inference.hardware.llama_build import LlamaBuild, LlamaUnusable, probe_llama_build
from inference.hardware.machine import Machine, this_machine
from inference.hardware.mlx_install import mlx_version

PACKAGES = ("Django", "channels", "daphne", "django-htmx", "huey", "msgspec", "llama-cpp-python")


@dataclass(frozen=True)
class Storage:
    """`free` bytes are those of the file system that holds, or would hold, the data folder."""

    data_dir: Path
    exists: bool
    free: int
    model_dirs: tuple[Path, ...]


@dataclass(frozen=True)
class Engine:
    name: str
    usable: bool
    explanation: str


@dataclass(frozen=True)
class Examination:
    """`llama` None: it cannot be loaded, and `llama_problem` says why in one sentence. `mlx`: the version of
    mlx-lm, "" where it is not set up."""

    machine: Machine
    llama: LlamaBuild | None
    llama_problem: str
    versions: dict[str, str]
    storage: Storage
    mlx: str = ""

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (self._llama_engine(), self._mlx_engine())

    def _llama_engine(self) -> Engine:
        if self.llama is None:
            return Engine("llama.cpp", False, self.llama_problem)
        where = " and ".join([*self.llama.accelerators, "CPU"])
        return Engine("llama.cpp", True, f"GGUF models, on {where}")

    def _mlx_engine(self) -> Engine:
        if not self.mlx:
            return Engine("MLX", False, "it is not set up; “make mlx” does it")
        where = "Metal" if any(gpu.kind == "metal" for gpu in self.machine.gpus) else "CPU"
        return Engine("MLX", True, f"MLX models, on {where} (mlx-lm {self.mlx})")


def examine(*, data_dir: Path, model_dirs: list[Path], mlx_python: Path) -> Examination:
    llama, problem = _llama()
    return Examination(
        machine=this_machine(),
        llama=llama,
        llama_problem=problem,
        versions=_versions(),
        storage=_storage(data_dir, model_dirs),
        mlx=mlx_version(mlx_python),
    )


def _llama() -> tuple[LlamaBuild | None, str]:
    try:
        return probe_llama_build(), ""
    except LlamaUnusable as error:
        return None, str(error)


def _versions() -> dict[str, str]:
    versions = {
        "Minerva": minerva_version(),
        "System": platform.platform(),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }
    return versions | {package: _installed(package) for package in PACKAGES}


def minerva_version() -> str:
    """Written once, in pyproject.toml."""
    import tomllib

    file = Path(__file__).resolve().parent.parent / "pyproject.toml"
    return str(tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"])


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _storage(data_dir: Path, model_dirs: list[Path]) -> Storage:
    there = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    return Storage(
        data_dir=data_dir,
        exists=data_dir.is_dir(),
        free=shutil.disk_usage(there).free,
        model_dirs=tuple(model_dirs),
    )
