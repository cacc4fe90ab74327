"""The llama.cpp back end: GGUF models, through llama-cpp-python's low-level API.

Importing this module imports no library; loading a model does (`inference.backends.llama`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from inference.backends.base import LoadedModel
from inference.backends.capabilities import Capabilities
from inference.engines import LLAMA_CPP
from inference.messages import LoadSettings
from inference.types import ModelSpec


class LlamaCppBackend:
    capabilities: ClassVar[Capabilities] = LLAMA_CPP

    def load(
        self, spec: ModelSpec, settings: LoadSettings, progress: Callable[[float], None]
    ) -> LoadedModel:
        from inference.backends.llama.loading import load_model

        return load_model(spec, settings, progress)
