"""A GGUF model in memory: the port that the engine's loop drives."""

from __future__ import annotations

import ctypes
import math
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

import llama_cpp
import numpy as np
import numpy.typing as npt

from inference.backends.base import BatchEntry, DecodeResult, SavedState
from inference.backends.candidates import Logits, logprobs_of
from inference.backends.llama.batch import Batch
from inference.backends.llama.embedding import WINDOW, LlamaEmbedding, is_encoder
from inference.backends.llama.grammar import grammar_of
from inference.backends.llama.sampler import LlamaSampler
from inference.backends.llama.vocabulary import Vocabulary
from inference.types import OutputFormat, SamplingParams

if TYPE_CHECKING:
    from inference.backends.base import Sampler

RESULTS = {0: DecodeResult.DONE, 1: DecodeResult.CACHE_FULL, 2: DecodeResult.INTERRUPTED}


class LlamaModel:
    """Owns llama.cpp's model and context; `close` frees them.

    The abort check is C's `strlen` over a two-byte string: empty means go on. llama.cpp asks once
    for each node of the graph, and a Python function would take the GIL each time.
    """

    def __init__(
        self,
        model: object,
        context: object,
        *,
        context_window: int,
        max_sequences: int,
        device: str,
        threads: int,
        offloaded_layers: tuple[int, int] = (0, 0),
    ) -> None:
        self._model = model
        self._threads = threads
        self.generates = not is_encoder(model)
        self.embedding_window = min(context_window, WINDOW)
        self._context = context
        self._memory = llama_cpp.llama_get_memory(context)
        self._vocabulary = Vocabulary(model)
        self.context_window = context_window
        self.device = device
        self.engine = f"llama.cpp (llama-cpp-python {llama_cpp.__version__})"
        self.num_gpu_layers, num_layers = offloaded_layers
        # llama.cpp counts the output as a layer, too.
        self.num_layers = num_layers or int(llama_cpp.llama_model_n_layer(model)) + 1
        self.chat_template = _chat_template(model)
        self.bos_text = self._vocabulary.text(self._vocabulary.bos)
        self.eos_text = self._vocabulary.text(self._vocabulary.eos)
        self.decode_seconds = math.inf
        self.num_cells = int(llama_cpp.llama_n_ctx(context))
        self.max_sequences = max_sequences
        self.num_slots = int(llama_cpp.llama_n_seq_max(context))
        self.token_budget = int(llama_cpp.llama_n_batch(context))
        self.num_outputs = self.num_slots
        self.can_cut = _can_cut(model)
        self._batch = Batch(self.token_budget)
        self._logits_type = ctypes.c_float * self._vocabulary.size
        self._interrupt = ctypes.create_string_buffer(2)
        strlen = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value
        self._is_interrupted = llama_cpp.ggml_abort_callback(strlen)
        llama_cpp.llama_set_abort_callback(context, self._is_interrupted, self._interrupt)

    @property
    def vocabulary_size(self) -> int:
        return self._vocabulary.size

    @property
    def vocabulary(self) -> Vocabulary:
        return self._vocabulary

    def tokenize(self, text: str) -> array[int]:
        return self._vocabulary.tokenize(text)

    def tokenize_input(self, text: str) -> array[int]:
        return self._vocabulary.tokenize_input(text)

    def piece(self, token: int) -> bytes:
        return self._vocabulary.piece(token)

    def is_end(self, token: int) -> bool:
        return self._vocabulary.is_end(token)

    def make_grammar(self, wanted: OutputFormat) -> str:
        return grammar_of(wanted, self._vocabulary)

    def make_embedding_model(self) -> LlamaEmbedding:
        return LlamaEmbedding(
            self._model,
            window=self.embedding_window,
            threads=self._threads,
            abort=(self._is_interrupted, self._interrupt),
        )

    def make_sampler(self, sampling: SamplingParams, *, grammar: str = "") -> LlamaSampler:
        return LlamaSampler(sampling, self._vocabulary, grammar=grammar)

    def decode(self, batch: Sequence[BatchEntry]) -> DecodeResult:
        self._batch.fill(batch)
        code = llama_cpp.llama_decode(self._context, self._batch.struct)
        return RESULTS.get(code, DecodeResult.FAILED)

    def sample(self, index: int, sampler: Sampler, *, place: int = 0) -> int:
        assert isinstance(sampler, LlamaSampler)
        logits = self.logits(index, place=place)
        assert logits is not None, "the last batch did not ask for this entry's logits"
        return sampler.choose(logits)

    def logprobs(
        self, index: int, token: int, *, count: int, place: int = 0
    ) -> list[tuple[int, float]]:
        logits = self.logits(index, place=place)
        assert logits is not None, "the last batch did not ask for this entry's logits"
        return logprobs_of(logits, token, count=count)

    def logits(self, index: int, *, place: int = 0) -> Logits | None:
        """Of entry `index` of the last batch; None if the model gives none. Valid until the next."""
        token = self._batch.index(index, place)
        pointer = llama_cpp.llama_get_logits_ith(self._context, token)
        if not pointer:
            return None
        address = ctypes.addressof(pointer.contents)
        return np.frombuffer(memoryview(self._logits_type.from_address(address)), np.float32)

    def forget(self, slot: int, *, position: int = 0) -> bool:
        was_dropped = bool(llama_cpp.llama_memory_seq_rm(self._memory, slot, position, -1))
        return was_dropped and (position == 0 or self._holds(slot, position))

    def share(self, slot: int, other: int, *, length: int) -> bool:
        """In one cache for all sequences this only marks cells: nothing is copied."""
        llama_cpp.llama_memory_seq_cp(self._memory, slot, other, 0, length)
        if self._holds(other, length):
            return True
        llama_cpp.llama_memory_seq_rm(self._memory, other, 0, -1)
        return False

    def save(self, slot: int, *, most: int) -> SavedState | None:
        if llama_cpp.llama_memory_seq_pos_min(self._memory, slot) != 0:
            return None
        size = int(llama_cpp.llama_state_seq_get_size(self._context, slot))
        if size > most:
            return None
        data = np.empty(size, np.uint8)
        llama_cpp.llama_state_seq_get_data(self._context, _bytes_of(data), size, slot)
        return SavedState(size, data)

    def restore(self, slot: int, state: SavedState) -> bool:
        assert isinstance(state.data, np.ndarray)
        data, size = _bytes_of(state.data), state.num_bytes
        if llama_cpp.llama_state_seq_set_data(self._context, data, size, slot):
            return True
        llama_cpp.llama_memory_seq_rm(self._memory, slot, 0, -1)
        return False

    def length(self, slot: int) -> int:
        """Tokens up to the last that the slot holds."""
        return int(llama_cpp.llama_memory_seq_pos_max(self._memory, slot)) + 1

    def _holds(self, slot: int, length: int) -> bool:
        """All of its first `length` tokens and no more: a sliding window may have lost the first,
        and a recurrent state can't be cut."""
        first = int(llama_cpp.llama_memory_seq_pos_min(self._memory, slot))
        return (first, self.length(slot)) == (0, length)

    def interrupt(self) -> None:
        self._interrupt[0] = b"!"

    def clear_interrupt(self) -> None:
        self._interrupt[0] = b"\0"

    def close(self) -> None:
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)


def _bytes_of(data: npt.NDArray[np.uint8]) -> object:
    return data.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))


def _can_cut(model: object) -> bool:
    """A recurrent state has no last token; a sliding window may have lost what comes back into it."""
    is_recurrent = llama_cpp.llama_model_is_recurrent(model)
    has_states = is_recurrent or llama_cpp.llama_model_is_hybrid(model)
    return not has_states and llama_cpp.llama_model_n_swa(model) == 0


def _chat_template(model: object) -> str:
    template = llama_cpp.llama_model_chat_template(model, None)
    return template.decode("utf-8", "replace") if template else ""
