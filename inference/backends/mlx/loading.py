"""From a folder to a model that has computed: weights, tokenizer, and the proving token."""

from __future__ import annotations

import logging
import threading
import time
from array import array
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.backends.base import BatchEntry, DecodeResult
from inference.backends.mlx.library import import_loader
from inference.causes import Cause
from inference.errors import ModelFileInvalid, ModelLoadFailed
from inference.hardware.memory import probe_memory
from inference.memory_estimate import bytes_a_token, window_within
from inference.messages import LoadSettings
from inference.mlx_folder import MLXHeader, read_folder
from inference.types import ModelSpec

if TYPE_CHECKING:
    from inference.backends.mlx.caches import Layers
    from inference.backends.mlx.model import MLXModel

logger = logging.getLogger(__name__)

# Ended chats stay in slots of their own; each holds its keys and values for itself.
SLOTS_A_SEQUENCE = 2
# A context window that nobody chose takes this part of the memory that is free.
MEMORY_SHARE = 8
# MLX keeps what it has freed, for the next time: so much of it.
KEPT_BYTES = 256 * 1024 * 1024
READ, COMPUTED = 0.1, 0.9


def load_model(
    spec: ModelSpec, settings: LoadSettings, progress: Callable[[float], None]
) -> MLXModel:
    """Raises ModelLoadFailed and ModelFileInvalid."""
    folder = Path(spec.path)
    header = read_folder(folder)
    loader = import_loader()
    progress(READ)
    weights = _weights(loader, folder)
    progress(COMPUTED)
    model = _model(loader, weights, header, spec, settings)
    _prove(model)
    progress(1.0)
    return model


def _weights(loader: Any, folder: Path) -> Any:
    """mlx-lm raises whatever its parts raise: ValueError, KeyError, TypeError and others."""
    try:
        model, _ = loader.load_model(folder, trust_remote_code=False)
        return model
    except MemoryError as error:
        raise ModelLoadFailed(
            "There is not enough memory for this model.", cause=Cause.OUT_OF_MEMORY.value
        ) from error
    except Exception as error:
        logger.exception("mlx-lm did not load the model")
        raise _refusal(str(error)) from error


def _refusal(reason: str) -> ModelLoadFailed | ModelFileInvalid:
    if "not supported" in reason:
        return ModelLoadFailed(
            "This version of MLX does not know the model's architecture. Look for a GGUF of it.",
            cause=Cause.UNSUPPORTED.value,
        )
    if "parameters" in reason or "shape" in reason:
        return ModelFileInvalid(
            "Its config.json and its weights do not belong together. Copy the model again."
        )
    return ModelLoadFailed("MLX could not load this model. The log says why.")


def _model(
    loader: Any, weights: Any, header: MLXHeader, spec: ModelSpec, settings: LoadSettings
) -> MLXModel:
    import mlx.core as mx
    from mlx_lm.models.cache import make_prompt_cache

    from inference.backends.mlx.embedding import WINDOW, MLXEmbedding, hidden_of, pooling_of
    from inference.backends.mlx.model import MLXModel
    from inference.backends.mlx.vocabulary import Vocabulary

    window = _context_window(header, spec, settings)
    mx.set_cache_limit(KEPT_BYTES)
    loader.maybe_set_recommended_wired_limit()
    size = int(weights(mx.array([[0]])).shape[-1])

    def make_cache() -> Layers:
        return list(make_prompt_cache(weights))

    def make_embedding(interrupted: threading.Event) -> MLXEmbedding:
        return MLXEmbedding(
            hidden_of(weights, width=header.embedding_length),
            make_cache,
            window=min(window, WINDOW),
            token_budget=settings.batch_tokens,
            pooling=pooling_of(Path(spec.path)),
            interrupted=interrupted,
        )

    return MLXModel(
        lambda tokens, caches: weights(tokens, cache=caches),
        make_cache,
        Vocabulary(Path(spec.path), size=size),
        make_embedding,
        chat_template=header.chat_template,
        context_window=window,
        max_sequences=settings.max_sequences,
        num_slots=SLOTS_A_SEQUENCE * settings.max_sequences,
        token_budget=settings.batch_tokens,
        num_layers=len(weights.layers),
        device=_device(mx),
        engine=f"MLX (mlx-lm {version('mlx-lm')})",
    )


def _context_window(header: MLXHeader, spec: ModelSpec, settings: LoadSettings) -> int:
    """What was asked for or what memory allows, never above what the model was trained with."""
    wanted = spec.context_window or settings.context_window
    wanted = wanted or window_within(
        probe_memory().available // MEMORY_SHARE,
        bytes_a_token=bytes_a_token(header, settings.kv_cache_type),
    )
    return min(wanted, header.context_length)


def _device(mx: Any) -> str:
    """ "CPU", or "Metal: Apple M…"."""
    if mx.default_device() != mx.gpu or not mx.metal.is_available():
        return "CPU"
    return f"Metal: {mx.device_info().get('device_name', 'Apple GPU')}"


def _prove(model: MLXModel) -> None:
    """Compute one token, twice: the second is not slowed down by reading the files from disk."""
    for _ in range(2):
        began = time.monotonic()
        entry = BatchEntry(0, 0, array("i", [model.vocabulary.first]), samples=1)
        result = model.decode([entry])
        model.decode_seconds = min(model.decode_seconds, time.monotonic() - began)
        if result is not DecodeResult.DONE or bool(np.isnan(model.logits(0)).any()):
            raise ModelLoadFailed("The model loaded but could not compute a first token.")
        model.forget(0)
