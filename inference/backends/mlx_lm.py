"""The MLX back end: folders with safetensors, through mlx-lm's models.

Importing this module imports no library; loading a model does (`inference.backends.mlx`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import ClassVar

from inference.backends.base import LoadedModel
from inference.backends.capabilities import Capabilities, Feature
from inference.messages import LoadSettings
from inference.types import ModelSpec

MISSING = "run “make mlx” in Minerva's folder"


class MLXBackend:
    capabilities: ClassVar[Capabilities] = Capabilities(
        name="MLX",
        file_formats=("safetensors",),
        devices=("Metal", "CPU"),
        features=frozenset(
            {
                Feature.CHAT,
                Feature.TOOLS,
                Feature.BATCHING,
                Feature.SAMPLING,
                Feature.LOGPROBS,
                Feature.PROMPT_CACHE,
                Feature.TOKENS,
                Feature.STRUCTURED_OUTPUT,
                Feature.EMBEDDINGS,
            }
        ),
        missing="" if find_spec("mlx_lm") else MISSING,
    )

    def load(
        self, spec: ModelSpec, settings: LoadSettings, progress: Callable[[float], None]
    ) -> LoadedModel:
        from inference.backends.mlx.loading import load_model

        return load_model(spec, settings, progress)
