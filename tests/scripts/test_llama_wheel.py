from __future__ import annotations

from pathlib import Path

import llama_wheel as llama_wheel_module
import psutil
import pytest
from build_flags import BuildFlags
from llama_wheel import build_step, llama_wheel
from report import SetUpFailed

FLAGS = BuildFlags(cmake=("-DGGML_CUDA=on",), notes=("Building for the GPU.",), key="1.0-abc")
WHEEL = "llama_cpp_python-1.0-py3-none-any.whl"
NO_PIP = ["/nowhere/pip"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "minerva" / "llama-cpp-python" / FLAGS.key


@pytest.fixture
def pip_that(tmp_path):
    """A command in pip's place, for what a compiler cannot be made to do in a test."""

    def make(body: str) -> list[str]:
        path = tmp_path / "pip"
        path.write_text(
            f'for last in "$@"; do case $last in --wheel-dir=*) out=${{last#*=}};; esac; done\n{body}\n'
        )
        return ["sh", str(path)]

    return make


def make_wheel(*, pip: list[str]) -> Path:
    return llama_wheel(pip=pip, version="1.0", flags=FLAGS)


def test_a_kept_wheel_is_taken_without_compiling(cache):
    cache.mkdir(parents=True)
    (cache / WHEEL).touch()

    assert make_wheel(pip=NO_PIP) == cache / WHEEL


def test_a_compiled_wheel_is_kept_under_the_key_of_its_flags(cache, pip_that, capsys):
    pip = pip_that(f"echo '[1/2] c++ a.cpp'; echo \"$CMAKE_ARGS\" > $out/{WHEEL}")

    wheel = make_wheel(pip=pip)

    assert wheel == cache / WHEEL
    assert wheel.read_text() == "-DGGML_CUDA=on\n"
    assert "[1/2] c++ a.cpp" in (cache / "build.log").read_text()
    assert "once, 3 to 6 minutes" in capsys.readouterr().out


def test_a_failed_compilation_shows_its_last_lines_and_a_next_step(cache, pip_that, capsys):
    pip = pip_that("echo 'nvcc fatal: unsupported gpu architecture'; exit 1")

    with pytest.raises(SetUpFailed, match="GGML_CUDA=off") as caught:
        make_wheel(pip=pip)

    assert "unsupported gpu architecture" in capsys.readouterr().out
    assert str(cache / "build.log") in str(caught.value)
    assert not list(cache.glob("*.whl"))


def test_a_missing_compiler_is_named_before_anything_is_fetched(cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(SetUpFailed, match="build-essential"):
        make_wheel(pip=NO_PIP)


def test_the_compiler_the_person_chose_must_be_there(cache, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler++ -O3")

    with pytest.raises(SetUpFailed, match=r"no-such-compiler\+\+ was not found"):
        make_wheel(pip=NO_PIP)


def test_an_interrupted_compilation_ends_its_compilers_and_leaves_nothing(
    cache, pip_that, tmp_path, monkeypatch
):
    pid_file = tmp_path / "pid"
    pip = pip_that(f"sleep 600 & echo $! > {pid_file}; touch $out/half; echo '[1/2] c++'; wait")
    monkeypatch.setattr(llama_wheel_module, "build_step", interrupt)

    with pytest.raises(KeyboardInterrupt):
        make_wheel(pip=pip)

    assert psutil.wait_procs(compilers(pid_file), timeout=10)[1] == []
    assert [path.name for path in cache.iterdir()] == ["build.log"]


def interrupt(line: str) -> str:
    raise KeyboardInterrupt


def compilers(pid_file: Path) -> list[psutil.Process]:
    try:
        return [psutil.Process(int(pid_file.read_text()))]
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("  [12/345] Building CXX object ggml.cpp.o", "step 12 of 345"),
        ("[ 36%] Building CXX object ggml.cpp.o", "36 % of it"),
        ("-- Found Threads: TRUE", ""),
        ("  Downloading numpy [1/2]", ""),
    ],
)
def test_the_compilers_progress_is_read_from_its_output(line, step):
    assert build_step(line) == step
