from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models_app import catalog
from tests.inference.gguf_files import LLAMA, File, string_pair

Write = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """The only model folder; a page looks into it each time it is asked for."""
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
