"""How many numbers the KV cache keeps of a token: keys and values of every layer, as llama.cpp lays it out.

Layers may differ: some have fewer heads or none, those with a sliding window may have heads of another
size, the last ones may use the cache of earlier ones, and where keys and values are compressed together
(MLA), there are no values of their own.
"""

from __future__ import annotations

from inference.errors import ModelFileInvalid
from inference.gguf_metadata import Metadata

# Of a file that is damaged, or not for us.
MAX_LAYERS = 4096
# Of a token in all layers. The largest models keep some millions; with more than this, the bytes of a context
# window would not fit into the messages between our processes.
MAX_KV_VALUES = 2**32


def num_kv_values(metadata: Metadata, architecture: str) -> int:
    """Raises ModelFileInvalid for more than any model keeps."""
    number = _claimed_kv_values(metadata, architecture)
    if number > MAX_KV_VALUES:
        raise ModelFileInvalid(
            f"This file claims to keep {number:,} numbers of each token. It is damaged."
        )
    return number


def _claimed_kv_values(metadata: Metadata, architecture: str) -> int:
    layers = _kv_heads_by_layer(metadata, architecture)
    shared = metadata.count(f"{architecture}.attention.shared_kv_layers")
    slides = metadata.flags(f"{architecture}.attention.sliding_window_pattern")
    full, sliding = (_head_values(metadata, architecture, suffix) for suffix in ("", "_swa"))
    return sum(
        heads * (sliding if index < len(slides) and slides[index] else full)
        for index, heads in enumerate(layers[: len(layers) - shared] if shared else layers)
    )


def _kv_heads_by_layer(metadata: Metadata, architecture: str) -> tuple[int, ...]:
    """One number holds for every layer; else there is one for each of them."""
    num_layers = min(metadata.count(f"{architecture}.block_count"), MAX_LAYERS)
    heads = metadata.counts(f"{architecture}.attention.head_count")
    each = metadata.counts(f"{architecture}.attention.head_count_kv") or heads
    return each * num_layers if len(each) == 1 else each[:num_layers]


def _head_values(metadata: Metadata, architecture: str, suffix: str) -> int:
    """Of one head. `suffix` "_swa": in a layer with a sliding window."""
    heads = max(metadata.counts(f"{architecture}.attention.head_count"), default=0)
    width = metadata.count(f"{architecture}.embedding_length")
    size = width // heads if heads else 0
    key, value = (
        metadata.count(
            f"{architecture}.attention.{name}_length{suffix}",
            default=metadata.count(f"{architecture}.attention.{name}_length", default=size),
        )
        for name in ("key", "value")
    )
    is_compressed = f"{architecture}.attention.key_length_mla" in metadata
    return key if is_compressed else key + value
