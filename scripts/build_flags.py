"""How llama.cpp is compiled on this machine: a pure function of what the machine is."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
from dataclasses import dataclass

from inference.hardware.cpu import Cpu
from inference.hardware.gpu import Cuda

# llama.cpp's AMX code dies of SIGSEGV at the first prompt of every quantised model (llama.cpp
# issue 20824): the compiler drops the tile configuration. Compiling without AMX is the cure until
# a release with the fix is pinned.
AMX_GUARD = ("-DCMAKE_C_FLAGS=-mno-amx-int8", "-DCMAKE_CXX_FLAGS=-mno-amx-int8")
COMPILER_VARIABLES = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "CUDACXX", "CUDAFLAGS")


@dataclass(frozen=True)
class BuildFlags:
    """`cmake`: the arguments. `notes`: one sentence for each choice. `key`: names the result.

    The key covers the processor too, because the compiler tunes to it: a home directory shared
    by two machines, or moved to another one, must not hand the wrong instructions around.
    """

    cmake: tuple[str, ...]
    notes: tuple[str, ...]
    key: str

    @property
    def cmake_args(self) -> str:
        return shlex.join(self.cmake)


def build_flags(
    *, version: str, cpu: Cpu, cuda: Cuda, environment: dict[str, str] | None = None
) -> BuildFlags:
    """CMAKE_ARGS of the person comes last, so that it wins."""
    variables = dict(os.environ) if environment is None else environment
    own = tuple(shlex.split(variables.get("CMAKE_ARGS", "")))
    amx, amx_notes = _amx(cpu)
    gpu, gpu_notes = _gpu(cuda, own)
    cmake = amx + gpu + own
    compilers = [f"{name}={variables.get(name, '')}" for name in COMPILER_VARIABLES]
    facts = [version, platform.system(), cpu.architecture, cpu.name, *cpu.features, *cmake]
    key = hashlib.sha256("\n".join([*facts, *compilers]).encode()).hexdigest()[:16]
    return BuildFlags(cmake=cmake, notes=amx_notes + gpu_notes, key=f"{version}-{key}")


def _amx(cpu: Cpu) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not cpu.has_amx:
        return (), ()
    return AMX_GUARD, (
        "This processor has AMX, where llama.cpp crashes at present: building without it.",
    )


def _gpu(cuda: Cuda, own: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if any("GGML_CUDA" in argument for argument in own):
        return (), ("CMAKE_ARGS decides about CUDA.",)
    if cuda.can_build:
        names = ", ".join(gpu.name for gpu in cuda.gpus)
        flags = ["-DGGML_CUDA=on"]
        if cuda.compiler:
            flags.append(f"-DCMAKE_CUDA_COMPILER={cuda.compiler}")
        return tuple(flags), (f"CUDA {cuda.toolkit} and {names} are here: building for the GPU.",)
    if cuda.compiler:
        return (), (f"nvcc is here, but {cuda.problem}: building for the CPU.",)
    if cuda.gpus:
        return (), (
            f"{cuda.gpus[0].name} is here, but no CUDA toolkit (nvcc): building for the CPU. "
            "Install the toolkit and run this again to use the GPU.",
        )
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return (), ("Apple silicon: building with Metal.",)
    return (), ("No GPU toolkit found: building for the CPU.",)
