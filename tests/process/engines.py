"""The engines that the same tests run over: how a test makes a model for one, and what it claims to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from inference.backends.capabilities import Capabilities
from inference.backends.llama_cpp import LlamaCppBackend
from inference.backends.mlx_lm import MLXBackend
from inference.hardware.mlx_install import DEFAULT_PYTHON, mlx_problem
from tests.made_folders import write_random_folder, write_scripted_folder
from tests.made_models import write_random_model, write_scripted_model

# Set up by `make test`, and by `make mlx`; not where its packages do not run.
needs_mlx = pytest.mark.skipif(
    mlx_problem(DEFAULT_PYTHON) != "", reason=mlx_problem(DEFAULT_PYTHON) or "MLX is here"
)


@dataclass(frozen=True)
class Engine:
    """`random` and `scripted` write a model of theirs; `ending` of its path. `seed`: of a random model whose
    best token leads by more than a batch is rounded."""

    capabilities: Capabilities
    random: Callable[..., Path]
    scripted: Callable[..., Path]
    ending: str
    seed: int

    def __str__(self) -> str:
        return self.capabilities.name


LLAMA_CPP = Engine(
    LlamaCppBackend.capabilities, write_random_model, write_scripted_model, ".gguf", seed=35
)
MLX = Engine(MLXBackend.capabilities, write_random_folder, write_scripted_folder, "", seed=35)
ENGINES = [
    pytest.param(LLAMA_CPP, id="llama.cpp"),
    pytest.param(MLX, id="MLX", marks=needs_mlx),
]
