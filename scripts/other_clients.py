"""Makes .clients ready: the programs of other makers that the tests send to the API, and servers of
models that Minerva relays to in tests.

They bring a hundred packages along, so they live apart from .venv. Does nothing when nothing changed.
What needs Node.js is left out where there is none, and its test is skipped.

Standard library only: `make` starts it as it starts set_up.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from report import SetUpFailed, elapsed, say
from set_up import REQUIREMENTS, ROOT, compiled_llama, find_uv, run

CLIENTS = ROOT / ".clients"
PYTHON = CLIENTS / "python" / "bin" / "python"
NODE = CLIENTS / "node"
PACKAGE = ROOT / "tests" / "process" / "clients" / "package.json"
NPM = ("install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
NO_NPM = "There is no Node.js with npm here: the test with OpenAI's package for Node is skipped."
NO_REGISTRY_ADVICE = (
    "npm could not install OpenAI's package for Node: the lines above say why. It needs a connection "
    "to the package registry once. Without Node.js in PATH its test is skipped."
)


def main() -> None:
    make_python()
    make_node()


def make_python() -> None:
    requirements = REQUIREMENTS["clients"]
    stamp = hashlib.sha256(f"{requirements.read_text()}\0{sys.version}".encode()).hexdigest()
    if is_made(CLIENTS / "python", stamp):
        return
    started_at = time.monotonic()
    say("Installing clients of other makers into .clients (once), which the tests run …")
    uv = find_uv()
    run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(CLIENTS / "python")])
    install = [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    run([*install, "--requirement", str(requirements), str(compiled_llama(uv, kind="clients"))])
    note_made(CLIENTS / "python", stamp)
    say(f"Installed in {elapsed(time.monotonic() - started_at)}.")


def make_node() -> None:
    stamp = hashlib.sha256(PACKAGE.read_bytes()).hexdigest()
    if is_made(NODE, stamp):
        return
    npm = shutil.which("npm") if shutil.which("node") else None
    if npm is None:
        say(NO_NPM)
        return
    say("Installing OpenAI's package for Node into .clients (once) …")
    shutil.rmtree(NODE, ignore_errors=True)
    NODE.mkdir(parents=True)
    shutil.copy(PACKAGE, NODE)
    if subprocess.run([npm, *NPM], cwd=NODE, env=os.environ, check=False).returncode != 0:
        raise SetUpFailed(NO_REGISTRY_ADVICE)
    note_made(NODE, stamp)


def is_made(folder: Path, stamp: str) -> bool:
    made = folder / "made-from"
    return made.exists() and made.read_text() == stamp


def note_made(folder: Path, stamp: str) -> None:
    (folder / "made-from").write_text(stamp)


if __name__ == "__main__":
    try:
        main()
    except SetUpFailed as failure:
        sys.exit(f"\nSet-up stopped. {failure}")
    except KeyboardInterrupt:
        sys.exit("\nSet-up interrupted. Run it again to go on.")
