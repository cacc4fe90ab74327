"""From a file to a model that has computed: parameters, progress, and the proving token."""

from __future__ import annotations

import ctypes
import os
import time
from array import array
from collections.abc import Callable
from pathlib import Path

import llama_cpp
import numpy as np

from inference.backends.base import BatchEntry, DecodeResult
from inference.backends.llama.devices import device_name
from inference.backends.llama.log import LlamaLog
from inference.backends.llama.model import LlamaModel
from inference.errors import ModelLoadFailed
from inference.gguf_model import read_model
from inference.hardware.cpu import probe_cpu
from inference.hardware.memory import probe_memory
from inference.memory_estimate import bytes_a_token, window_within
from inference.messages import LoadSettings
from inference.types import FlashAttention, KVCacheType, ModelSpec

# Ended chats stay in slots of their own. llama.cpp wants room for the logits of each: some 20 MB for
# these with a vocabulary of 150,000.
SLOTS = 32
# A context window that nobody chose takes this part of the memory that is free.
MEMORY_SHARE = 8
KV_CACHE_TYPES: dict[KVCacheType, int] = {
    "f16": llama_cpp.GGML_TYPE_F16,
    "q8_0": llama_cpp.GGML_TYPE_Q8_0,
    "q4_0": llama_cpp.GGML_TYPE_Q4_0,
}
FLASH_ATTENTION_TYPES: dict[FlashAttention, int] = {
    "auto": llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


def load_model(
    spec: ModelSpec, settings: LoadSettings, progress: Callable[[float], None]
) -> LlamaModel:
    """Raises ModelLoadFailed. The newest load's log is the one that llama.cpp writes to."""
    log = LlamaLog()
    llama_cpp.llama_backend_init()
    model = _read_weights(spec, settings, progress)
    if not model:
        raise log.failure()
    window = _context_window(model, spec, settings)
    params = _context_params(window, _num_slots(model, settings), settings)
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        raise log.failure()
    device = device_name(log.offloaded_layers)
    loaded = LlamaModel(
        model,
        context,
        context_window=window,
        max_sequences=settings.max_sequences,
        device=device,
        threads=settings.threads or probe_cpu().physical_cores,
        offloaded_layers=log.offloaded_layers,
    )
    _prove(loaded)
    return loaded


def _read_weights(
    spec: ModelSpec, settings: LoadSettings, progress: Callable[[float], None]
) -> object:
    params = llama_cpp.llama_model_default_params()
    params.n_gpu_layers = settings.gpu_layers
    params.use_extra_bufts = settings.use_extra_bufts
    report = _progress_callback(progress)
    params.progress_callback = report
    no_devices = (ctypes.c_void_p * 1)(None)
    if settings.gpu_layers == 0:
        params.devices = ctypes.cast(no_devices, ctypes.c_void_p)
    return llama_cpp.llama_model_load_from_file(os.fsencode(spec.path), params)


def _progress_callback(progress: Callable[[float], None]) -> object:
    """llama.cpp calls for every tensor; a reader needs whole per cents only."""
    reported = -1

    def report(fraction: float, _: object) -> bool:
        nonlocal reported
        if (percent := int(fraction * 100)) > reported:
            reported = percent
            progress(fraction)
        return True

    return llama_cpp.llama_progress_callback(report)


def _context_window(model: object, spec: ModelSpec, settings: LoadSettings) -> int:
    """What was asked for or what memory allows, never above what the model was trained with."""
    wanted = spec.context_window or settings.context_window
    wanted = wanted or window_within(
        probe_memory().available // MEMORY_SHARE,
        bytes_a_token=bytes_a_token(read_model(Path(spec.path)), settings.kv_cache_type),
    )
    trained = int(llama_cpp.llama_model_n_ctx_train(model))
    return min(wanted, trained) if trained > 0 else wanted


def _context_params(window: int, num_slots: int, settings: LoadSettings) -> object:
    """One KV cache of `window` cells for all sequences. Logits are only ever wanted for the last
    token of each, which spares a buffer of the whole vocabulary for every token of a batch."""
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = window
    # On a GPU an abort is only seen between micro-batches.
    params.n_batch = params.n_ubatch = settings.batch_tokens
    params.n_seq_max = params.n_outputs_max = params.n_outputs_max_per_seq = num_slots
    params.kv_unified = True
    # Layers with a sliding window keep every token, too: else no prompt could share a beginning.
    params.swa_full = True
    params.type_k = params.type_v = KV_CACHE_TYPES[settings.kv_cache_type]
    params.flash_attn_type = FLASH_ATTENTION_TYPES[settings.flash_attention]
    params.n_threads = params.n_threads_batch = settings.threads or probe_cpu().physical_cores
    params.no_perf = True
    return params


def _num_slots(model: object, settings: LoadSettings) -> int:
    """A recurrent model keeps a whole state for each."""
    if llama_cpp.llama_model_is_recurrent(model) or llama_cpp.llama_model_is_hybrid(model):
        return settings.max_sequences
    return max(settings.max_sequences, SLOTS)


def _prove(model: LlamaModel) -> None:
    if model.generates:
        _prove_generating(model)
    else:
        _prove_embedding(model)


def _prove_generating(model: LlamaModel) -> None:
    """Compute one token, twice: the second is not slowed down by reading the file from disk."""
    first = next((token for token in (model.vocabulary.bos, model.vocabulary.eos) if token >= 0), 0)
    for _ in range(2):
        began = time.monotonic()
        result = model.decode([BatchEntry(0, 0, array("i", [first]), samples=1)])
        model.decode_seconds = min(model.decode_seconds, time.monotonic() - began)
        logits = model.logits(0) if result is DecodeResult.DONE else None
        if logits is None or bool(np.isnan(logits).any()):
            raise ModelLoadFailed("The model loaded but could not compute a first token.")
        model.forget(0)


def _prove_embedding(model: LlamaModel) -> None:
    began = time.monotonic()
    embedding = model.make_embedding_model()
    result = embedding.decode([BatchEntry(0, 0, model.tokenize("?"), samples=1)])
    model.decode_seconds = time.monotonic() - began
    if result is not DecodeResult.DONE or not np.isfinite(embedding.vectors()).all():
        raise ModelLoadFailed("The model loaded but could not compute an embedding.")
    embedding.close()
