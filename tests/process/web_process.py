"""The web process alone, as `serve` starts it: with a listening socket that we keep."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
PREPARE = (
    "from minerva_site import preparation as p; "
    "p.migrate(); p.collect_static_files(); print(p.setup_token())"
)


class WebProcess:
    def __init__(self, data_dir: Path) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.output = data_dir.parent / f"web-{self.port}.log"
        self.environment = {
            **os.environ,
            "MINERVA_DATA_DIR": str(data_dir),
            "MINERVA_PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "minerva_site.settings",
        }
        self.setup_token = self.run(PREPARE)

    def start(self) -> None:
        descriptor = self.listener.fileno()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "minerva_site.web", "--fd", str(descriptor)],
                cwd=ROOT,
                env=self.environment,
                pass_fds=(descriptor,),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        self.start()
        assert self.request("GET", "/healthz")[0] == 200
        return self

    def __exit__(self, *reason: object) -> None:
        self.kill()
        self.listener.close()
        print(self.output.read_text())

    def run(self, code: str) -> str:
        """Run code in Django with the same data; what it printed."""
        setup = "import django; django.setup()\n"
        done = subprocess.run(
            [sys.executable, "-c", setup + code],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """The answer, read: (status, headers, body). Waits in the backlog until web is up."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as client:
            client.request(method, path, body=body, headers=headers)
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()

    def raw(self, data: bytes, *, seconds: float = 30.0) -> bytes:
        """Send bytes and read until the other side closes, or the first answer is whole."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=seconds)) as client:
            client.sendall(data)
            return read_answer(client)


def read_answer(client: socket.socket) -> bytes:
    """One HTTP answer with a Content-Length, or what comes until the end."""
    received = b""
    while True:
        head, separator, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if separator and length and len(body) >= int(length[1]):
            return received
        chunk = client.recv(65536)
        if not chunk:
            return received
        received += chunk


def wait_until(condition, *, seconds: float = 20.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")
