"""How a model's makers want it sampled: from its GGUF file, or from the `generation_config.json`
beside it, as repositories have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from inference.model_files import ModelHeader
from models_app.answering import is_taken

CONFIG = "generation_config.json"
MAX_BYTES = 64 * 1024
# Hugging Face's names, as its documentation of GenerationConfig has them.
NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
}


def suggested(path: Path, header: ModelHeader) -> dict[str, float]:
    """By the names of `AnswerSettings`; what is no number or out of bounds is left out."""
    folder = path if path.is_dir() else path.parent
    found = header.sampling or _of_repository(folder / CONFIG)
    return {name: value for name, value in found.items() if is_taken(name, value)}


def sampling_of(content: bytes) -> dict[str, float] | None:
    """What a file `CONFIG` says, by our names. None: it is none."""
    try:
        said: Any = msgspec.json.decode(content[:MAX_BYTES])
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    if said.get("do_sample") is False:
        return {}
    return {
        ours: said[theirs]
        for theirs, ours in NAMES.items()
        if isinstance(said.get(theirs), int | float) and not isinstance(said[theirs], bool)
    }


def _of_repository(path: Path) -> dict[str, float]:
    try:
        with path.open("rb") as file:
            return sampling_of(file.read(MAX_BYTES)) or {}
    except OSError:
        return {}
