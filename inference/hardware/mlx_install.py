"""Is MLX there? Asked of the interpreter that runs its models: only runners may import mlx.

It has an environment of its own, as what mlx-lm needs does not go together with what we need.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

DEFAULT_PYTHON = Path(__file__).resolve().parents[2] / ".venv-mlx" / "bin" / "python"
# Its internals change from one to the next; others were not tried.
VERSIONS = "0.32."
SET_UP = "Run “make mlx” in Minerva's folder"
WAY_OUT = f"{SET_UP}, or look for a GGUF of this model."
QUESTION = (
    "from importlib.metadata import version; "
    "print(version('mlx-lm'), version('msgspec'), version('llguidance'))"
)


def mlx_version(python: Path) -> str:
    """ "": it is not there, or of no use."""
    try:
        changed = python.parent.stat().st_mtime_ns
    except OSError:
        return ""
    return _version(python, changed)


def mlx_problem(python: Path) -> str:
    """Why no MLX model runs here, in one or two sentences; "" if they do."""
    found = mlx_version(python)
    if not found:
        return f"MLX is not set up here, and this is a model for it. {WAY_OUT}"
    if not found.startswith(VERSIONS):
        return f"mlx-lm {found} is installed, and Minerva works with {VERSIONS}x. {WAY_OUT}"
    return ""


def is_apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


@lru_cache(maxsize=4)
def _version(python: Path, changed: int) -> str:
    """Asked again once something was installed beside the interpreter."""
    try:
        answer = subprocess.run(
            [str(python), "-P", "-c", QUESTION],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.split()[0] if answer.returncode == 0 and answer.stdout else ""
