"""A model as it lies on disk, whichever engine runs it: a GGUF file, or a folder for MLX."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Protocol

from inference.gguf_model import part_paths, read_model
from inference.mlx_folder import read_folder


class ModelFormat(StrEnum):
    """REMOTE: it lies on another server, and there is nothing of it on this disk."""

    GGUF = "GGUF"
    MLX = "MLX"
    REMOTE = "remote"


class ModelHeader(Protocol):
    """What both kinds say of themselves; see `GGUFHeader`."""

    @property
    def architecture(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def num_parameters(self) -> int: ...
    @property
    def quantization(self) -> str: ...
    @property
    def context_length(self) -> int: ...
    @property
    def embedding_length(self) -> int: ...
    @property
    def num_kv_values(self) -> int: ...
    @property
    def vocabulary_size(self) -> int: ...
    @property
    def tokenizer_model(self) -> str: ...
    @property
    def license(self) -> str: ...
    @property
    def chat_template(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sampling(self) -> dict[str, float]: ...


def format_of(path: Path) -> ModelFormat:
    """Told by the name: what is there may be gone."""
    return ModelFormat.GGUF if path.name.lower().endswith(".gguf") else ModelFormat.MLX


def read_any(path: Path) -> ModelHeader:
    """Raises ModelFileInvalid for what cannot be loaded."""
    return read_model(path) if format_of(path) is ModelFormat.GGUF else read_folder(path)


def own_paths(path: Path) -> list[Path]:
    """Its files: all parts, whether they are there or not; or what lies in its folder, but for models of
    another format and further folders."""
    if format_of(path) is ModelFormat.GGUF:
        return part_paths(path)
    if not path.is_dir():
        return []
    others = (one for one in path.iterdir() if format_of(one) is not ModelFormat.GGUF)
    return sorted(one for one in others if not one.is_dir())
