"""The engines that there are, with what each can do, for pages and docs that tell of it. Importing this imports
numpy, and no engine's library."""

from __future__ import annotations

from inference.backends.capabilities import Capabilities as Capabilities
from inference.backends.capabilities import Feature as Feature
from inference.backends.llama_cpp import LlamaCppBackend
from inference.backends.mlx_lm import MLXBackend

ENGINES: tuple[Capabilities, ...] = (LlamaCppBackend.capabilities, MLXBackend.capabilities)
