"""The hidden states of a model's last layer: a context of its own beside the one that generates."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import llama_cpp
import numpy as np

from inference.backends.base import BatchEntry, DecodeResult, TokenVectors
from inference.backends.llama.batch import Batch
from inference.errors import InferenceError
from inference.types import Pooling

# Longer inputs are of little use: a vector tells no more than some paragraphs.
WINDOW = 2048
# llama.cpp keeps room for the logits of each of these: 80 MB for a vocabulary of 150,000.
TOKENS_OF_A_GENERATOR = 128
SLOTS = 16
POOLINGS: dict[int, Pooling] = {
    llama_cpp.LLAMA_POOLING_TYPE_MEAN: "mean",
    llama_cpp.LLAMA_POOLING_TYPE_CLS: "cls",
    llama_cpp.LLAMA_POOLING_TYPE_LAST: "last",
}


class LlamaEmbedding:
    """`needs_whole`: it reads in both directions, so that an input can't be computed in parts."""

    num_slots = SLOTS

    def __init__(
        self, model: object, *, window: int, threads: int, abort: tuple[object, object]
    ) -> None:
        self.needs_whole = is_encoder(model)
        self.window = min(window, WINDOW)
        self.token_budget = self.window if self.needs_whole else TOKENS_OF_A_GENERATOR
        self.pooling = _pooling(model)
        self._width = int(llama_cpp.llama_model_n_embd_out(model))
        self._context = llama_cpp.llama_init_from_model(model, self._params(threads))
        if not self._context:
            raise InferenceError(
                "There is not enough memory for embeddings. Unload another model, and try again."
            )
        llama_cpp.llama_set_abort_callback(self._context, *abort)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = Batch(self.token_budget)
        self._num_tokens = 0

    def decode(self, batch: Sequence[BatchEntry]) -> DecodeResult:
        self._batch.fill(batch)
        self._num_tokens = sum(len(entry.tokens) for entry in batch)
        code = llama_cpp.llama_decode(self._context, self._batch.struct)
        if code == 2:
            return DecodeResult.INTERRUPTED
        return DecodeResult.FAILED if code else DecodeResult.DONE

    def vectors(self) -> TokenVectors:
        pointer = llama_cpp.llama_get_embeddings(self._context)
        size = self._num_tokens * self._width
        address = ctypes.addressof(pointer.contents)
        floats = (ctypes.c_float * size).from_address(address)
        return np.frombuffer(memoryview(floats), np.float32).reshape(-1, self._width)

    def forget(self, slot: int) -> None:
        if self._memory:  # an encoder has none
            llama_cpp.llama_memory_seq_rm(self._memory, slot, 0, -1)

    def close(self) -> None:
        llama_cpp.llama_free(self._context)

    def _params(self, threads: int) -> object:
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self.window
        params.n_batch = params.n_ubatch = self.token_budget
        params.n_outputs_max = params.n_outputs_max_per_seq = self.token_budget
        params.n_seq_max = SLOTS
        params.kv_unified = True
        params.embeddings = True
        params.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO
        params.n_threads = params.n_threads_batch = threads
        params.no_perf = True
        return params


def is_encoder(model: object) -> bool:
    """It reads in both directions and generates nothing."""
    architecture = _metadata(model, "general.architecture")
    is_causal = _metadata(model, f"{architecture}.attention.causal") != "false"
    return not is_causal or architecture == "gemma-embedding"


def _pooling(model: object) -> Pooling:
    """What the model was trained with; the mean if it does not say."""
    architecture = _metadata(model, "general.architecture")
    number = _metadata(model, f"{architecture}.pooling_type")
    return POOLINGS.get(int(number), "mean") if number.isdigit() else "mean"


def _metadata(model: object, key: str) -> str:
    buffer = ctypes.create_string_buffer(256)
    length = llama_cpp.llama_model_meta_val_str(model, key.encode(), buffer, len(buffer))
    return buffer.value.decode("utf-8", "replace") if length >= 0 else ""
