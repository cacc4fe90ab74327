"""The data folder: private to the user who runs Minerva, and what is made in it at first use."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SECRET_KEY_FILE = "secret_key"  # noqa: S105 -- a file name


def prepare_data_folder(folder: Path) -> None:
    """Make the folder and its sub-folders, closed to everybody else. Idempotent."""
    for path in (folder, folder / "run", folder / "logs", folder / "models"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def secret_key(folder: Path) -> str:
    """The key that signs cookies and jobs; made once, then read. Never in a log or an error."""
    path = folder / SECRET_KEY_FILE
    if not path.exists():
        create_private_file(path, secrets.token_urlsafe(64))
    return path.read_text().strip()


def create_private_file(path: Path, text: str) -> None:
    """Write `path` with mode 0600 in one step, unless it is there: of two processes one wins."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
