"""The MLX back end: folders with safetensors, through mlx-lm's models.

Importing this module imports no library; loading a model does (`inference.backends.mlx`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from inference.backends.base import LoadedModel
from inference.backends.capabilities import Capabilities
from inference.engines import MLX
from inference.messages import LoadSettings
from inference.types import ModelSpec


class MLXBackend:
    capabilities: ClassVar[Capabilities] = MLX

    def load(
        self, spec: ModelSpec, settings: LoadSettings, progress: Callable[[float], None]
    ) -> LoadedModel:
        from inference.backends.mlx.loading import load_model

        return load_model(spec, settings, progress)
