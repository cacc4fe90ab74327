"""The hidden states of a model's last layer, beside what it generates: the same weights, caches of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import mlx.core as mx
import numpy as np

from inference.backends.base import BatchEntry, DecodeResult, TokenVectors
from inference.backends.mlx.caches import Layers, evaluate
from inference.errors import InvalidRequest
from inference.tokenizer_config import read_json
from inference.types import Pooling

# As with llama.cpp: a vector tells no more than some paragraphs.
WINDOW = 2048
SLOTS = 16
# Where sentence-transformers writes how a model was trained to tell of an input.
POOLING_CONFIG = Path("1_Pooling", "config.json")
POOLINGS: dict[str, Pooling] = {
    "pooling_mode_lasttoken": "last",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
}

Hidden = Callable[[mx.array, Layers], mx.array]


class MLXEmbedding:
    """`hidden`: from tokens and caches to hidden states; `make_cache`: caches of an empty input."""

    needs_whole = False
    num_slots = SLOTS

    def __init__(
        self,
        hidden: Hidden,
        make_cache: Callable[[], Layers],
        *,
        window: int,
        token_budget: int,
        pooling: Pooling,
        interrupted: threading.Event,
    ) -> None:
        self._hidden = hidden
        self._make_cache = make_cache
        self._caches: dict[int, Layers] = {}
        self._vectors: list[TokenVectors] = []
        self._interrupted = interrupted
        self.window, self.token_budget, self.pooling = window, token_budget, pooling

    def decode(self, batch: Sequence[BatchEntry]) -> DecodeResult:
        self._vectors = []
        for entry in batch:
            if self._interrupted.is_set():
                return DecodeResult.INTERRUPTED
            try:
                self._vectors.append(self._computed(entry))
            except (RuntimeError, ValueError, MemoryError):
                return DecodeResult.FAILED
        return DecodeResult.DONE

    def vectors(self) -> TokenVectors:
        return np.concatenate(self._vectors)

    def forget(self, slot: int) -> None:
        self._caches.pop(slot, None)

    def _computed(self, entry: BatchEntry) -> TokenVectors:
        layers = self._caches.setdefault(entry.slot, self._make_cache())
        states = self._hidden(mx.array([entry.tokens.tolist()]), layers)
        found: TokenVectors = np.array(states[0].astype(mx.float32))
        evaluate(layers)
        return found


def hidden_of(weights: object, *, width: int) -> Hidden:
    """Raises InvalidRequest for a model whose last layer cannot be asked apart from its head."""
    inner = getattr(weights, "model", None)
    try:
        shape = inner(mx.array([[0]])).shape if callable(inner) else ()
    except Exception:  # whatever a model of another build raises
        shape = ()
    if tuple(shape) != (1, 1, width) or not callable(inner):
        raise InvalidRequest("MLX makes no embeddings of this model. Use a GGUF of it.")
    return lambda tokens, caches: inner(tokens, cache=caches)


def pooling_of(folder: Path) -> Pooling:
    """The mean if the folder does not say. Raises ModelFileInvalid."""
    said = read_json(folder / POOLING_CONFIG, is_needed=False)
    found = [pooling for name, pooling in POOLINGS.items() if said.get(name) is True]
    return found[0] if found else "mean"
