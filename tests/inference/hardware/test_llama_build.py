from __future__ import annotations

import json
import stat
import sys

import pytest

from inference.hardware.llama_build import LlamaUnusable, build_from, probe_llama_build


@pytest.fixture
def python_that(tmp_path):
    def make(body: str) -> str:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


def answer(*libraries: str, system_info: str = "CPU : AVX2 = 1 | ") -> str:
    facts = {"version": "1.0", "gpu_offload": bool(libraries), "libraries": libraries}
    return json.dumps(facts | {"system_info": system_info})


def test_the_installed_llama_cpp_tells_its_version_without_being_imported_here():
    before = "llama_cpp" in sys.modules

    build = probe_llama_build()

    assert build.version
    assert build.features
    assert ("llama_cpp" in sys.modules) == before


def test_accelerators_are_those_whose_libraries_are_installed():
    assert build_from(answer("libggml-cpu.so", "libggml-cuda.so")).accelerators == ("CUDA",)
    assert build_from(answer("libggml-metal.dylib")).accelerators == ("Metal",)
    assert build_from(answer("libggml-cpu.so")).accelerators == ()


def test_features_switched_off_do_not_count():
    build = build_from(answer(system_info="CPU : AVX2 = 1 | AMX_INT8 = 1 | NEON = 0 | "))

    assert build.features == ("AVX2", "AMX_INT8")
    assert build.has_amx


def test_lines_printed_before_the_answer_are_passed_over():
    assert build_from(f"ggml_cuda_init: found 1 device\n{answer()}\n").version == "1.0"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("kill -ILL $$", "built for another processor"),
        ("kill -SEGV $$", "SIGSEGV"),
        ("echo \"ModuleNotFoundError: No module named 'llama_cpp'\" >&2; exit 1", "not installed"),
        ("echo 'OSError: libcudart.so.13: cannot open' >&2; exit 1", "libcudart.so.13"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_explained(python_that, body, sentence):
    with pytest.raises(LlamaUnusable, match=sentence):
        probe_llama_build(python_that(body))
