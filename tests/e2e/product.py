"""The product itself, as its user starts it: `manage.py serve` in a data directory of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0
T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], *, what: str, seconds: float = 30.0) -> T:
    """The first true value of `condition`, or a failure that says what was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


class Product:
    """One running instance. `setup_url` carries the one-time token until somebody used it.
    `settings`: environment variables of its own."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self.models_dir = data_dir / "models"
        self.models_dir.mkdir(parents=True, exist_ok=True)
        self.lines: list[str] = []
        self.url = ""
        self.setup_url = ""
        self.storage_state: Any = None

    def start(self) -> None:
        self.lines.clear()
        # A new one prints several addresses, and the link with the token among them.
        self.wanted = r"https?://\S+" if self.has_begun else r"https?://\S+token=\S+"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MINERVA_")
        } | self.settings
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", "0", "--data-dir", str(self.data_dir)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            printed = wait_for(self._printed_url, what="its URL", seconds=START_SECONDS)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.output}") from None
        self.url = "/".join(printed.split("/")[:3])
        self.setup_url = printed if "token=" in printed else ""

    @property
    def has_begun(self) -> bool:
        return (self.data_dir / "minerva.sqlite3").exists()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            self.lines.extend(output)

    def _printed_url(self) -> str | None:
        if self.process.poll() is not None:
            raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.output}")
        found = re.findall(self.wanted, self.output)
        return found[-1] if found else None

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def processes(self) -> dict[str, psutil.Process]:
        """The living processes of this instance by role; a model's process is "runner"."""
        roles = {
            "minerva_site.web": "web",
            "worker": "worker",
            "inference.runner": "runner",
            "inference": "inference",
        }
        found: dict[str, psutil.Process] = {}
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            role = next((role for word, role in roles.items() if word in words), None)
            if role and process.status() != psutil.STATUS_ZOMBIE:
                found.setdefault(role, process)
        return found

    def kill(self, role: str) -> int:
        """kill -9 one process and return its id."""
        process = wait_for(lambda: self.processes().get(role), what=f"a process {role}")
        process.send_signal(signal.SIGKILL)
        return process.pid

    def stop(self) -> int:
        """As Ctrl-C does; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=15)
        finally:
            self.process.kill()
            self._reader.join(timeout=5)
