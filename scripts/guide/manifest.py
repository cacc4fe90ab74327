"""What the model was made of and how good it is: `minerva-guide.json` beside the model."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from guide.evaluation import Report
from guide.recipe import Recipe
from guide.shape import Shape
from guide.topics import FOLDER, data_files

LIBRARIES = ("torch", "tokenizers", "gguf", "numpy", "llama-cpp-python")
NAME = "minerva-guide.json"


def write_manifest(path: Path, *, shape: Shape, recipe: Recipe, report: Report) -> None:
    content = {
        "file": path.name,
        "size": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "data_sha256": data_hash(),
        "shape": asdict(shape),
        "recipe": asdict(recipe),
        "versions": {"python": platform.python_version()}
        | {library: version(library) for library in LIBRARIES},
        "figures": {name: asdict(score) for name, (score, _) in report.named().items()},
    }
    (path.parent / NAME).write_text(json.dumps(content, indent=2) + "\n")


def data_hash() -> str:
    """Of everything that the model learned from."""
    digest = hashlib.sha256()
    for path in data_files():
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()
