"""llama-cpp-python's wheel for this machine: compiled once, kept for every later checkout.

The wheels lie in the person's cache folder, one folder for each set of build flags and processor.
(uv's own cache is not used for this one: it does not know CMAKE_ARGS, and where a package index
sends no cache headers it compiles again for each checkout.)
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from build_flags import BuildFlags
from report import Progress, SetUpFailed, elapsed, say

COMPILER_ADVICE = (
    "Compiling llama.cpp needs a C and a C++ compiler, and {missing} was not found. Debian, Ubuntu: "
    "sudo apt install build-essential; Fedora: sudo dnf install gcc gcc-c++; macOS: xcode-select "
    "--install. Then run this again."
)
FAILURE_ADVICE = (
    "llama.cpp could not be compiled. The last lines are above, all of them in {log}. "
    "What often helps: more free memory or disk space{cuda}. Then run this again."
)
CUDA_ADVICE = (
    ", the whole CUDA toolkit with cuBLAS, or the CPU alone for now: "
    'export CMAKE_ARGS="-DGGML_CUDA=off"'
)


def wheel_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "minerva" / "llama-cpp-python"


def llama_wheel(*, pip: list[str], version: str, flags: BuildFlags) -> Path:
    """The wheel's path; compiles it when the cache has none. `pip`: a command that runs pip."""
    folder = wheel_cache() / flags.key
    kept = next(folder.glob("*.whl"), None)
    if kept is not None:
        say(f"llama.cpp: compiled before for this machine, taken from {folder}")
        return kept
    _require_compilers()
    for note in flags.notes:
        say(f"llama.cpp: {note}")
    say("llama.cpp: compiling it, once, 3 to 6 minutes on two cores (longer for an NVIDIA GPU).")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as work:
        _compile(pip=pip, version=version, flags=flags, into=Path(work), log=folder / "build.log")
        return _keep(Path(work), folder)


def _require_compilers() -> None:
    for variable, names in (("CC", ("cc", "gcc", "clang")), ("CXX", ("c++", "g++", "clang++"))):
        wanted = os.environ.get(variable, "").split()[:1] or names
        if not any(shutil.which(name) for name in wanted):
            raise SetUpFailed(COMPILER_ADVICE.format(missing=" or ".join(wanted)))


def _compile(*, pip: list[str], version: str, flags: BuildFlags, into: Path, log: Path) -> None:
    command = [*pip, "wheel", "--verbose", "--no-deps", "--no-cache-dir"]
    command += ["--no-binary=llama-cpp-python", f"--wheel-dir={into}"]
    command += [f"llama-cpp-python=={version}"]
    with (
        Progress("fetching the source and the build tools") as progress,
        log.open("w", encoding="utf-8") as record,
        _started(command, flags=flags, temporary=into) as process,
    ):
        assert process.stdout is not None
        _follow(process.stdout, record=record, progress=progress)
    if process.returncode != 0:
        _explain_failure(log, flags)
    say(f"llama.cpp: compiled in {elapsed(progress.seconds)}")


@contextmanager
def _started(
    command: list[str], *, flags: BuildFlags, temporary: Path
) -> Iterator[subprocess.Popen[str]]:
    """pip with its compilers as one process group: Ctrl-C ends all of them, and leaves nothing.

    They build in `temporary`, because /tmp is often a small piece of memory.
    """
    process = subprocess.Popen(
        command,
        env=os.environ | {"CMAKE_ARGS": flags.cmake_args, "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    )
    with process:
        try:
            yield process
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise


def _follow(lines: Iterable[str], *, record: TextIO, progress: Progress) -> None:
    for line in lines:
        record.write(line)
        step = build_step(line)
        if step:
            progress.text = f"compiling llama.cpp, {step}"


def build_step(line: str) -> str:
    """ninja prints `[12/345] …`, make prints `[ 12%] …`; "" for any other line."""
    found = re.match(r"\s*\[\s*(?:(\d+)/(\d+)|(\d+)%)\]", line)
    if found is None:
        return ""
    done, total, percent = found.groups()
    return f"{percent} % of it" if percent else f"step {done} of {total}"


def _explain_failure(log: Path, flags: BuildFlags) -> None:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]:
        say(f"    {line}")
    cuda = CUDA_ADVICE if "-DGGML_CUDA=on" in flags.cmake else ""
    raise SetUpFailed(FAILURE_ADVICE.format(log=log, cuda=cuda))


def _keep(built: Path, folder: Path) -> Path:
    """Two checkouts may compile at the same time: the rename makes either result a whole file."""
    wheel = next(built.glob("llama_cpp_python-*.whl"))
    return wheel.replace(folder / wheel.name)
