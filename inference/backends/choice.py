"""Which back end runs a model: its format tells."""

from __future__ import annotations

from pathlib import Path

from inference.backends.base import Backend
from inference.backends.llama_cpp import LlamaCppBackend
from inference.backends.mlx_lm import MLXBackend
from inference.model_files import ModelFormat, format_of


def backend_of(path: Path) -> Backend:
    return LlamaCppBackend() if format_of(path) is ModelFormat.GGUF else MLXBackend()
