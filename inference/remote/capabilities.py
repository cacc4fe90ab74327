"""What a model of another server can do. Most of it is the server's own matter."""

from __future__ import annotations

from inference.backends.capabilities import Capabilities, Feature

REMOTE = Capabilities(
    name="Remote server",
    file_formats=("any that the server has",),
    devices=("Another server",),
    features=frozenset({Feature.CHAT}),
    depends=frozenset(
        {
            *(Feature.BATCHING, Feature.SAMPLING, Feature.TOOLS, Feature.LOGPROBS),
            *(Feature.PROMPT_CACHE, Feature.TOKENS, Feature.DRY),
            *(Feature.MIROSTAT, Feature.STRUCTURED_OUTPUT, Feature.EMBEDDINGS),
        }
    ),
)
