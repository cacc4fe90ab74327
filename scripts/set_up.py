"""Makes .venv ready: `python scripts/set_up.py run`, `… dev`, `… guide` or `… mlx`. Does nothing when
nothing changed.

1. Find uv, or install it from the package index into .tools (apart from .venv).
2. Create .venv with the interpreter that runs this file.
3. Take llama.cpp's wheel for this machine from the cache, or compile it.
4. Install the pinned requirements, and stamp .venv with the hash of all that went into it.

`guide` is `dev` and PyTorch, which only the training of the built-in guide needs. `mlx` makes .venv-mlx, with
the engine for MLX models: on Apple silicon `run` does that too, and `dev` everywhere. Where it can't be
made, all else works.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from build_flags import BuildFlags, build_flags  # noqa: E402
from llama_wheel import llama_wheel  # noqa: E402
from report import SetUpFailed, elapsed, say  # noqa: E402

from inference.hardware.cpu import probe_cpu  # noqa: E402
from inference.hardware.gpu import probe_cuda  # noqa: E402
from inference.hardware.mlx_install import is_apple_silicon  # noqa: E402

VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
MLX_VENV = ROOT / ".venv-mlx"
MLX_STAMP = MLX_VENV / "minerva-set-up.txt"
STAMP = VENV / "minerva-set-up.json"
REQUIREMENTS = {
    "run": ROOT / "requirements.txt",
    "dev": ROOT / "requirements-dev.txt",
    "guide": ROOT / "requirements-guide.txt",
    "clients": ROOT / "requirements-clients.txt",
    "mlx": ROOT / "requirements-mlx.txt",
}
NO_VENV_ADVICE = (
    "Python's venv module does not work here, and uv is not installed. "
    "Debian, Ubuntu: sudo apt install python3-venv. Then run this again."
)
NO_INDEX_ADVICE = (
    "The packages could not be installed: the lines above say why. The first start needs a "
    "connection to the Python package index; later ones need none."
)


def main(kind: str) -> None:
    if kind == "guide":
        set_up("dev")
        add_pytorch()
    elif kind == "mlx":
        set_up_mlx()
    else:
        set_up(kind)
        if kind == "dev" or is_apple_silicon():
            try_mlx()


def set_up(kind: str) -> None:
    version = pinned_llama_version(REQUIREMENTS[kind])
    flags = build_flags(version=version, cpu=probe_cpu(), cuda=probe_cuda())
    stamp = stamp_of(kind, flags)
    if read_stamps().get(kind) == stamp:
        return
    started_at = time.monotonic()
    say(f"Setting up in {VENV} (once; later starts take seconds).")
    uv = find_uv()
    make_venv(uv)
    write_stamps({})  # what follows may be cut off half way
    install(uv, kind=kind, wheel=llama_wheel(pip=pip_command(uv), version=version, flags=flags))
    # The development set contains the other one
    kinds = ("run", "dev") if kind == "dev" else ("run",)
    write_stamps({each: stamp_of(each, flags) for each in kinds})
    say(f"Set up in {elapsed(time.monotonic() - started_at)}.")


def compiled_llama(uv: str, *, kind: str) -> Path:
    """llama-cpp-python's wheel for this machine, of the version that these requirements pin."""
    version = pinned_llama_version(REQUIREMENTS[kind])
    flags = build_flags(version=version, cpu=probe_cpu(), cuda=probe_cuda())
    return llama_wheel(pip=pip_command(uv), version=version, flags=flags)


def pinned_llama_version(requirements: Path) -> str:
    found = re.search(r"^llama-cpp-python==(\S+)", requirements.read_text(), re.MULTILINE)
    if found is None:
        raise SetUpFailed(f"{requirements.name} does not pin llama-cpp-python.")
    return found.group(1)


def stamp_of(kind: str, flags: BuildFlags) -> str:
    parts = [REQUIREMENTS[kind].read_text(), flags.key, sys.base_prefix, sys.version]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def read_stamps() -> dict[str, str]:
    try:
        stamps = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) and venv_python().exists() else {}


def write_stamps(stamps: dict[str, str]) -> None:
    STAMP.write_text(json.dumps(stamps))


def venv_python() -> Path:
    return VENV / "bin" / "python"


def find_uv() -> str:
    own = TOOLS / "bin" / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        make_tools()
        say("Installing uv into .tools …")
        run([str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"])
        found = str(own)
    return found


def pip_command(uv: str) -> list[str]:
    """pip compiles llama.cpp: unlike uv it hands over the wheel and shows the compiler's progress."""
    if not (TOOLS / "bin" / "pip").exists():
        make_tools(uv)
    return [str(TOOLS / "bin" / "python"), "-m", "pip"]


def make_tools(uv: str | None = None) -> None:
    if uv is not None:
        run([uv, "venv", "--quiet", "--clear", "--seed", "--python", sys.executable, str(TOOLS)])
        return
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(TOOLS)], capture_output=True, check=False
    )
    if made.returncode != 0:
        shutil.rmtree(TOOLS, ignore_errors=True)
        raise SetUpFailed(NO_VENV_ADVICE)


def make_venv(uv: str) -> None:
    """A .venv of another interpreter is made anew; packages in one of the same stay."""
    if venv_python().exists() and version_of(venv_python()) == sys.version:
        return
    say(f"Creating .venv with Python {sys.version.split()[0]} …")
    run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)])


def version_of(python: Path) -> str:
    command = [str(python), "-c", "import sys; print(sys.version, end='')"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def install(uv: str, *, kind: str, wheel: Path) -> None:
    say(f"Installing the packages of {REQUIREMENTS[kind].name} …")
    command = [uv, "pip", "install", "--python", str(venv_python())]
    run([*command, "--requirement", str(REQUIREMENTS[kind]), str(wheel)])


def add_pytorch() -> None:
    """By pip, since that is what people point at an index with builds for the CPU alone: the usual
    ones bring gigabytes for GPUs along."""
    say(f"Installing the packages of {REQUIREMENTS['guide'].name} …")
    pip = [*pip_command(find_uv()), "--python", str(venv_python()), "install", "--quiet"]
    run([*pip, "--requirement", str(REQUIREMENTS["guide"])])


def try_mlx() -> None:
    """There is no build of MLX for Intel Macs, nor for Linux with glibc before 2.35."""
    try:
        set_up_mlx()
    except SetUpFailed:
        say(
            "MLX could not be set up: the lines above say why. MLX models will not run; all else does."
        )


def set_up_mlx() -> None:
    text = "\0".join([REQUIREMENTS["mlx"].read_text(), sys.base_prefix, sys.version])
    stamp = hashlib.sha256(text.encode()).hexdigest()
    if MLX_STAMP.exists() and MLX_STAMP.read_text() == stamp:
        return
    uv = find_uv()
    say("Setting up MLX in .venv-mlx (once; 220 MB) …")
    run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(MLX_VENV)])
    python = str(MLX_VENV / "bin" / "python")
    install_mlx = [uv, "pip", "install", "--quiet", "--python", python]
    run([*install_mlx, "--only-binary", ":all:", "--requirement", str(REQUIREMENTS["mlx"])])
    MLX_STAMP.write_text(stamp)


def run(command: list[str]) -> None:
    """uv must use the Python that is here: one it fetched would not be the person's choice."""
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("VIRTUAL_ENV", None)
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        raise SetUpFailed(NO_INDEX_ADVICE)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except SetUpFailed as failure:
        sys.exit(f"\nSet-up stopped. {failure}")
    except KeyboardInterrupt:
        sys.exit("\nSet-up interrupted. Run it again to go on.")
