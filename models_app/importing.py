"""A GGUF file from elsewhere on this machine, copied into the models folder: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from inference.errors import InvalidRequest
from inference.gguf_model import part_paths, read_model
from models_app import catalog
from models_app.downloads.storage import check_space, copy_whole
from models_app.hub.names import is_safe_path


def take(path: Path) -> Path:
    """Copy a model with all its parts; returns where its first file is. Raises ModelFileInvalid for
    what is none, InvalidRequest, DiskFull and OSError."""
    read_model(path)
    paths = part_paths(path)
    places = [Path(settings.MODELS_DIR) / one.name for one in paths]
    for one, place in zip(paths, places, strict=True):
        if not is_safe_path(one.name):
            raise InvalidRequest("Its name cannot be used on every system. Rename the file first.")
        if place.exists():
            raise _is_there(one)
    check_space(sum(one.stat().st_size for one in paths))
    for one, place in reversed(list(zip(paths, places, strict=True))):
        try:
            copy_whole(one, place)
        except FileExistsError as error:
            raise _is_there(one) from error
    catalog.scan()
    return places[0]


def _is_there(path: Path) -> InvalidRequest:
    return InvalidRequest(f"A file called {path.name} is in the models folder already.")
