"""The engines that there are, and what each can: for those who run them, and for pages and docs that tell of it.

Importing this imports no engine.
"""

from __future__ import annotations

from importlib.util import find_spec

from inference.backends.capabilities import Capabilities, Feature
from inference.backends.capabilities import rows as rows
from inference.remote.capabilities import REMOTE as REMOTE

LLAMA_CPP = Capabilities(
    name="llama.cpp",
    file_formats=("GGUF",),
    devices=("CPU", "CUDA", "Metal"),
    features=frozenset(Feature),
    missing="" if find_spec("llama_cpp") else "install llama-cpp-python",
)
MLX = Capabilities(
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
    missing="" if find_spec("mlx_lm") else "run “make mlx” in Minerva's folder",
)
ENGINES = (LLAMA_CPP, MLX, REMOTE)
