from __future__ import annotations

import stat

import pytest

from inference.hardware.gpu import find_nvcc, nvidia_gpus, probe_cuda, probe_nvidia


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts an executable of one's own choice, and nothing else, on the search path."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name: str, body: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


def test_each_line_of_nvidia_smi_is_a_gpu():
    gpus = nvidia_gpus(
        "NVIDIA GeForce RTX 4090, 24564, 580.65.06, 8.9\nNVIDIA H100, 81559, 580.65.06, 9.0\n"
    )

    assert [gpu.name for gpu in gpus] == ["NVIDIA GeForce RTX 4090", "NVIDIA H100"]
    assert gpus[0].memory == 24564 * 1024**2
    assert (gpus[1].driver, gpus[1].compute_capability) == ("580.65.06", "9.0")


def test_memory_the_driver_does_not_tell_is_zero():
    assert nvidia_gpus("NVIDIA GB10, [N/A], 580.65.06, 12.1\n")[0].memory == 0


def test_without_nvidia_smi_no_driver_answers(program):
    gpus, problem = probe_nvidia()

    assert gpus == ()
    assert "nvidia-smi" in problem


def test_the_drivers_own_words_are_kept_when_it_fails(program):
    program("nvidia-smi", "echo 'NVIDIA-SMI has failed: no devices were found'; exit 9")

    gpus, problem = probe_nvidia()

    assert gpus == ()
    assert "no devices were found" in problem


def test_nvidia_smi_that_lists_nothing_is_no_gpu(program):
    program("nvidia-smi", "exit 0")

    assert probe_nvidia() == ((), "the NVIDIA driver lists no GPU")


def test_cuda_can_be_built_when_compiler_and_gpu_are_here(program, monkeypatch):
    monkeypatch.delenv("CUDACXX", raising=False)
    nvcc = program("nvcc", "echo 'Cuda compilation tools, release 13.0, V13.0.88'")
    program("nvidia-smi", "echo 'NVIDIA H100, 81559, 580.65.06, 9.0'")

    cuda = probe_cuda()

    assert (cuda.compiler, cuda.toolkit, cuda.can_build) == (nvcc, "13.0", True)


def test_cuda_cannot_be_built_when_only_the_compiler_is_here(program):
    program("nvcc", "echo 'Cuda compilation tools, release 13.0, V13.0.88'")

    assert not probe_cuda().can_build


def test_the_compiler_is_found_in_cuda_home_when_the_path_lacks_it(tmp_path, monkeypatch):
    nvcc = tmp_path / "bin" / "nvcc"
    nvcc.parent.mkdir()
    nvcc.write_text("#!/bin/sh\n")
    nvcc.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.delenv("CUDACXX", raising=False)

    assert find_nvcc() == str(nvcc)
