from __future__ import annotations

from dataclasses import replace

from build_flags import AMX_GUARD, BuildFlags, build_flags

from inference.hardware.cpu import Cpu
from inference.hardware.gpu import Cuda, Gpu

XEON = Cpu("Xeon", "x86_64", ("AVX2", "AMX INT8"), 2, 4, 4)
EPYC = Cpu("EPYC", "x86_64", ("AVX2",), 2, 4, 4)
H100 = Gpu("NVIDIA H100", "cuda", 80 << 30, "580.65", "9.0")
NO_CUDA = Cuda("", "", (), "no NVIDIA driver answers (there is no nvidia-smi)")
WITH_CUDA = Cuda("/opt/cuda/bin/nvcc", "13.0", (H100,), "")


def flags(cpu: Cpu = EPYC, cuda: Cuda = NO_CUDA, **environment: str) -> BuildFlags:
    return build_flags(version="0.3.36", cpu=cpu, cuda=cuda, environment=environment)


def test_amx_is_left_out_of_the_build_when_the_processor_has_it():
    expected = "-DCMAKE_C_FLAGS=-mno-amx-int8 -DCMAKE_CXX_FLAGS=-mno-amx-int8"

    assert flags(cpu=XEON).cmake_args == expected
    assert "AMX" in flags(cpu=XEON).notes[0]


def test_nothing_is_left_out_for_a_processor_without_amx():
    assert flags(cpu=EPYC).cmake == ()


def test_a_wheel_built_without_the_guard_is_never_reused():
    unguarded = replace(XEON, features=("AVX2",))

    assert flags(cpu=XEON).key != flags(cpu=unguarded).key


def test_the_key_is_the_same_for_the_same_machine_and_flags():
    assert flags(HOME="/home/ada").key == flags(HOME="/home/bob").key


def test_the_key_changes_with_version_processor_compiler_and_arguments():
    newer = build_flags(version="0.3.37", cpu=EPYC, cuda=NO_CUDA, environment={})
    keys = [
        flags().key,
        newer.key,
        flags(cpu=replace(EPYC, name="EPYC 2")).key,
        flags(cpu=replace(EPYC, features=("AVX2", "AVX-512"))).key,
        flags(CXX="clang++").key,
        flags(CMAKE_ARGS="-DGGML_VULKAN=on").key,
        flags(cuda=WITH_CUDA).key,
    ]

    assert len(set(keys)) == len(keys)


def test_cuda_is_built_when_compiler_and_gpu_are_here():
    built = flags(cuda=WITH_CUDA)

    assert "-DGGML_CUDA=on" in built.cmake
    assert "-DCMAKE_CUDA_COMPILER=/opt/cuda/bin/nvcc" in built.cmake
    assert "NVIDIA H100" in built.notes[0]


def test_the_cpu_is_built_for_when_nvcc_has_no_driver_beside_it():
    built = flags(cuda=replace(NO_CUDA, compiler="/usr/local/bin/nvcc", toolkit="13.0"))

    assert built.cmake == ()
    assert built.notes == (
        "nvcc is here, but no NVIDIA driver answers (there is no nvidia-smi): "
        "building for the CPU.",
    )


def test_the_missing_toolkit_is_named_when_there_is_a_gpu():
    built = flags(cuda=replace(WITH_CUDA, compiler="", toolkit=""))

    assert built.cmake == ()
    assert "no CUDA toolkit (nvcc)" in built.notes[0]


def test_arguments_of_the_person_come_last():
    built = flags(cpu=XEON, CMAKE_ARGS="-DGGML_BLAS=on -DCMAKE_C_FLAGS='-O2 -g'")

    assert built.cmake == (*AMX_GUARD, "-DGGML_BLAS=on", "-DCMAKE_C_FLAGS=-O2 -g")


def test_the_person_decides_about_cuda_when_they_name_it():
    built = flags(cuda=WITH_CUDA, CMAKE_ARGS="-DGGML_CUDA=off")

    assert built.cmake == ("-DGGML_CUDA=off",)
