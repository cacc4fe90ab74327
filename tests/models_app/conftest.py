from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.inference.gguf_files import LLAMA, File, string_pair

Write = Callable[..., Path]
PASSWORD = "correct horse battery"


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """The only model folder; a page looks into it each time it is asked for."""
    from models_app import catalog  # not before Django is set up

    models = tmp_path / "models"
    models.mkdir()
    settings.MODEL_DIRS = [models]
    catalog._throttle.reset()
    return models


@pytest.fixture
def write(folder: Path) -> Write:
    """Writes a small file with a real header: write("plain.gguf", name="Plain")."""

    def write(place: str, *, name: str = "", **header: object) -> Path:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        pairs = (LLAMA[0], string_pair("general.name", name or path.stem), *LLAMA[2:])
        return File(pairs=pairs, **header).write(path)  # type: ignore[arg-type]

    return write


@pytest.fixture
def staff(db: None) -> Client:
    """Signed in as an administrator."""
    from accounts.models import User  # not before Django is set up

    client = Client()
    client.force_login(User.objects.create_superuser("ada", password=PASSWORD))
    return client


@pytest.fixture
def member(staff: Client) -> Client:
    """Signed in, after an administrator is there, without any rights."""
    from accounts.models import User  # not before Django is set up

    client = Client()
    client.force_login(User.objects.create_user("bob", password=PASSWORD))
    return client


@pytest.fixture(scope="session")
def service_socket() -> Iterator[Path]:
    """A real inference service, shared by the tests of a run."""
    with tempfile.TemporaryDirectory(prefix="minerva-service-") as place:
        socket = Path(place) / "inference.sock"
        command = [sys.executable, "-m", "inference", "--socket", str(socket), "--gpu-layers", "0"]
        service = subprocess.Popen(command)
        wait_for(socket.exists, what="the service's socket")
        yield socket
        service.terminate()
        service.wait(timeout=15)


@pytest.fixture
def service(service_socket: Path, settings: Any) -> None:
    """The web side talks to the real service."""
    settings.INFERENCE_SOCKET = service_socket


def wait_for(condition: Callable[[], bool], *, what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.02)
