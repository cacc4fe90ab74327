"""How much memory a model takes on a processor, from what its file says of itself.

weights + keys and values of all tokens + what the process and llama.cpp take besides. The last was
measured with models of 1 MB to 1 GB, after a prompt of several hundred tokens, and is within some per
cent; copies of ended chats (`prompt_cache_bytes`) come on top as they are made.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference.mlx_folder import MLXHeader
from inference.model_files import ModelHeader
from inference.types import KVCacheType

# The interpreter with llama.cpp, before any model.
PROCESS_BYTES = 59_000_000
# For the logits of 32 sequences, and the vocabulary itself.
BYTES_A_WORD = 300
# Of each token of a batch, for each number of the model's width.
BYTES_OF_WIDTH = 40
BATCH_TOKENS = 512
# A context window that nobody chose.
SMALLEST_WINDOW, LARGEST_WINDOW, WINDOW_STEP = 4096, 32_768, 256
# Blocks of 32 values have a scale of two bytes.
BYTES_A_VALUE: dict[KVCacheType, float] = {"f16": 2, "q8_0": 34 / 32, "q4_0": 18 / 32}


@dataclass(frozen=True)
class MemoryEstimate:
    """In bytes. `projector`: of a model that sees images, its second file. `correction`: by how much it
    took more than was estimated when it was last loaded, or less."""

    weights: int
    kv_cache: int
    buffers: int
    projector: int = 0
    correction: int = 0

    @property
    def total(self) -> int:
        parts = self.weights + self.kv_cache + self.buffers + self.projector
        return max(0, parts + self.correction)


def bytes_a_token(header: ModelHeader, kv_cache_type: KVCacheType) -> int:
    """In the KV cache. MLX keeps what the model computes as it is."""
    if isinstance(header, MLXHeader):
        return header.num_kv_values * header.bytes_a_value
    return int(header.num_kv_values * BYTES_A_VALUE[kv_cache_type])


def window_within(num_bytes: int, *, bytes_a_token: int) -> int:
    """Tokens whose keys and values take so many bytes, in a range that is of use."""
    fitting = num_bytes // max(bytes_a_token, 1) // WINDOW_STEP * WINDOW_STEP
    return max(SMALLEST_WINDOW, min(fitting, LARGEST_WINDOW))


def estimate(
    header: ModelHeader,
    *,
    context_window: int,
    kv_cache_type: KVCacheType,
    batch_tokens: int = BATCH_TOKENS,
) -> MemoryEstimate:
    """`context_window` in tokens; one above what the model was trained with is cut to that. Layers with a
    sliding window keep every token as well: see `loading._context_params`."""
    tokens = min(context_window, header.context_length or context_window)
    batch = BYTES_OF_WIDTH * min(batch_tokens, tokens) * header.embedding_length
    return MemoryEstimate(
        weights=header.size,
        kv_cache=tokens * bytes_a_token(header, kv_cache_type),
        buffers=PROCESS_BYTES + BYTES_A_WORD * header.vocabulary_size + batch,
    )
