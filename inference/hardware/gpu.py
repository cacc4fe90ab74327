"""Graphics processors, and whether llama.cpp can be compiled for them here.

Standard library only. `nvidia-smi` is asked rather than a library: it comes with the driver, so it
is there exactly when a driver is.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inference.hardware.cpu import sysctl

NVIDIA_QUERY = [
    "--query-gpu=name,memory.total,driver_version,compute_cap",
    "--format=csv,noheader,nounits",
]


@dataclass(frozen=True)
class Gpu:
    """`memory` in bytes; on Apple silicon it is the machine's, shared with the processor."""

    name: str
    kind: Literal["cuda", "metal"]
    memory: int
    driver: str = ""
    compute_capability: str = ""


@dataclass(frozen=True)
class Cuda:
    """`compiler`: path of nvcc, "" without one. `problem`: why no GPU answers, "" when one does."""

    compiler: str
    toolkit: str
    gpus: tuple[Gpu, ...]
    problem: str

    @property
    def can_build(self) -> bool:
        return bool(self.compiler and self.gpus)


def probe_cuda() -> Cuda:
    compiler = find_nvcc()
    gpus, problem = probe_nvidia()
    return Cuda(compiler, toolkit_version(compiler), gpus, problem)


def probe_metal() -> tuple[Gpu, ...]:
    if (platform.system(), platform.machine()) != ("Darwin", "arm64"):
        return ()
    name = sysctl("machdep.cpu.brand_string") or "Apple GPU"
    return (Gpu(name=name, kind="metal", memory=int(sysctl("hw.memsize") or 0)),)


def probe_nvidia() -> tuple[tuple[Gpu, ...], str]:
    """The GPUs the NVIDIA driver offers, or none and the reason."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return (), "no NVIDIA driver answers (there is no nvidia-smi)"
    try:
        answer = _answer_of(tool, *NVIDIA_QUERY)
    except subprocess.TimeoutExpired:
        return (), "the NVIDIA driver does not answer (nvidia-smi hangs)"
    if answer.returncode != 0:
        said = (answer.stdout + answer.stderr).strip().splitlines()
        return (), f"the NVIDIA driver does not answer: {said[0] if said else 'no message'}"
    gpus = nvidia_gpus(answer.stdout)
    return gpus, "" if gpus else "the NVIDIA driver lists no GPU"


def nvidia_gpus(table: str) -> tuple[Gpu, ...]:
    """One GPU for each line that nvidia-smi prints for NVIDIA_QUERY; memory there is in MiB."""
    rows = [[cell.strip() for cell in line.split(",")] for line in table.splitlines()]
    return tuple(
        Gpu(
            name=row[0],
            kind="cuda",
            memory=int(row[1]) << 20 if row[1].isdigit() else 0,
            driver=row[2],
            compute_capability=row[3],
        )
        for row in rows
        if len(row) == 4
    )


def find_nvcc() -> str:
    homes = [os.environ.get("CUDA_HOME", ""), os.environ.get("CUDA_PATH", ""), "/usr/local/cuda"]
    places = [os.environ.get("CUDACXX", ""), shutil.which("nvcc") or ""]
    places += [str(Path(home) / "bin" / "nvcc") for home in homes if home]
    return next((place for place in places if place and shutil.which(place)), "")


def toolkit_version(compiler: str) -> str:
    if not compiler:
        return ""
    try:
        answer = _answer_of(compiler, "--version")
    except subprocess.TimeoutExpired:
        return ""
    found = re.search(r"release (\S+?),", answer.stdout)
    return found.group(1) if found else ""


def _answer_of(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
