"""Pins every package anew from pyproject.toml: `make requirements`.

The files hold names and versions only. No index or file address is recorded, and they hold for
every platform (`--universal`).
"""

from __future__ import annotations

import subprocess

from set_up import REQUIREMENTS, ROOT, find_uv

SHARED = ["--universal", "--no-header", "--no-emit-index-url", "--no-emit-find-links", "--upgrade"]


def main() -> None:
    compile_command = [find_uv(), "pip", "compile", "--quiet", "--python-version=3.11", *SHARED]
    run, dev, clients, mlx = (REQUIREMENTS[kind] for kind in ("run", "dev", "clients", "mlx"))
    for command in (
        [*compile_command, "pyproject.toml", f"--output-file={run.name}"],
        [
            *compile_command,
            "pyproject.toml",
            "--group=dev",
            f"--constraint={run.name}",
            f"--output-file={dev.name}",
        ],
        [*compile_command, "--group=clients", f"--output-file={clients.name}"],
        [*compile_command, "--group=mlx", f"--output-file={mlx.name}"],
    ):
        subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
