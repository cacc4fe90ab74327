"""An MLX model in memory: the port that the engine's loop drives.

All computing is in the thread that has loaded it. What streams is one forward pass, each part of a prompt
is another; a cancel is seen between them, and a part is never longer than the engine's token budget.
"""

from __future__ import annotations

import logging
import math
import threading
from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import mlx.core as mx
import numpy as np

from inference.backends.base import BatchEntry, DecodeResult, SavedState
from inference.backends.candidates import Logits, logprobs_of
from inference.backends.mlx.caches import Layers, SlotCaches, evaluate, first_of, num_bytes
from inference.backends.mlx.embedding import WINDOW
from inference.backends.mlx.form import Forms
from inference.backends.mlx.sampler import MLXSampler
from inference.backends.mlx.vocabulary import Vocabulary
from inference.types import OutputFormat, SamplingParams

if TYPE_CHECKING:
    from inference.backends.base import EmbeddingModel, Sampler

logger = logging.getLogger(__name__)

# Up to so many tokens, logits of all of them cost less than a second pass for the last ones.
ONE_PASS = 16


class MLXModel:
    """`forward`: the model itself, from tokens and caches to logits; `make_cache`: caches of an empty
    sequence; `make_embedding`: its hidden states, which end early on an event."""

    generates = True

    def __init__(
        self,
        forward: Callable[[mx.array, Layers], mx.array],
        make_cache: Callable[[], Layers],
        vocabulary: Vocabulary,
        make_embedding: Callable[[threading.Event], EmbeddingModel],
        *,
        chat_template: str,
        context_window: int,
        max_sequences: int,
        num_slots: int,
        token_budget: int,
        num_layers: int,
        device: str,
        engine: str,
    ) -> None:
        self._forward = forward
        self._vocabulary = vocabulary
        self._forms = Forms(vocabulary)
        self._caches = SlotCaches(make_cache)
        self._logits: dict[int, Logits] = {}
        self._interrupted = threading.Event()
        self._make_embedding = make_embedding
        self.context_window = self.num_cells = context_window
        self.embedding_window = min(context_window, WINDOW)
        self.max_sequences = self.num_outputs = max_sequences
        self.num_slots = num_slots
        self.token_budget = token_budget
        self.can_cut = self._caches.can_cut
        self.device, self.engine = device, engine
        self.num_layers = num_layers
        self.num_gpu_layers = num_layers if device != "CPU" else 0
        self.decode_seconds = math.inf
        self.chat_template = chat_template
        self.bos_text, self.eos_text = vocabulary.bos_text, vocabulary.eos_text

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
        return self._forms.grammar_of(wanted)

    def make_embedding_model(self) -> EmbeddingModel:
        return self._make_embedding(self._interrupted)

    def make_sampler(self, sampling: SamplingParams, *, grammar: str = "") -> MLXSampler:
        return MLXSampler(sampling, self._forms.begun(grammar) if grammar else None)

    # -- computing ------------------------------------------------------------------------------

    def decode(self, batch: Sequence[BatchEntry]) -> DecodeResult:
        self._logits.clear()
        try:
            return self._decode(batch)
        except (RuntimeError, ValueError, MemoryError):
            logger.exception("MLX could not compute")
            for entry in batch:  # what they hold is not what was counted
                self._caches.forget(entry.slot, 0)
            return DecodeResult.FAILED

    def _decode(self, batch: Sequence[BatchEntry]) -> DecodeResult:
        numbered = list(enumerate(batch))
        streams = [one for one in numbered if _is_stream(one[1])]
        if not self._caches.can_batch or len(streams) < 2:
            streams = []
        others = [one for one in numbered if one not in streams]
        if streams:
            self._compute_together(streams)
        for index, entry in others:
            if self._interrupted.is_set():
                return DecodeResult.INTERRUPTED
            self._compute_alone(index, entry)
        return DecodeResult.DONE

    def _compute_together(self, streams: list[tuple[int, BatchEntry]]) -> None:
        """The next token of each sequence."""
        slots = [entry.slot for _, entry in streams]
        tokens = mx.array([[entry.tokens[0]] for _, entry in streams])
        layers = self._caches.together(slots)
        rows = _as_numpy(self._forward(tokens, layers)[:, -1])
        for row, (index, entry) in zip(rows, streams, strict=True):
            self._logits[index] = row[None]
            self._caches.extended(entry.slot, 1)

    def _compute_alone(self, index: int, entry: BatchEntry) -> None:
        """A part of a prompt, or the only stream. Logits are computed where they are wanted only."""
        layers = self._caches.alone(entry.slot)
        num_tokens, wanted = len(entry.tokens), entry.samples
        before = num_tokens - wanted if num_tokens > ONE_PASS or not wanted else 0
        if before:
            self._forward(mx.array([entry.tokens[:before].tolist()]), layers)
            evaluate(layers)
        if wanted:
            rest = mx.array([entry.tokens[before:].tolist()])
            self._logits[index] = _as_numpy(self._forward(rest, layers)[0, -wanted:])
        self._caches.extended(entry.slot, num_tokens)

    def sample(self, index: int, sampler: Sampler, *, place: int = 0) -> int:
        assert isinstance(sampler, MLXSampler)
        return sampler.choose(self.logits(index, place=place))

    def logprobs(
        self, index: int, token: int, *, count: int, place: int = 0
    ) -> list[tuple[int, float]]:
        return logprobs_of(self.logits(index, place=place), token, count=count)

    def logits(self, index: int, *, place: int = 0) -> Logits:
        """Of entry `index` of the last batch. Valid until the next."""
        found: Logits = self._logits[index][place]
        return found

    # -- what stays -----------------------------------------------------------------------------

    def forget(self, slot: int, *, position: int = 0) -> bool:
        return self._caches.forget(slot, position)

    def share(self, slot: int, other: int, *, length: int) -> bool:
        if not self.can_cut:
            return False
        self._caches.set(other, first_of(self._caches.alone(slot), length), length)
        return True

    def save(self, slot: int, *, most: int) -> SavedState | None:
        if not self.can_cut:
            return None
        length = self._caches.length(slot)
        copy = first_of(self._caches.alone(slot), length, copies=True)
        size = num_bytes(copy)
        if size > most:
            return None
        evaluate(copy)
        return SavedState(size, (copy, length))

    def restore(self, slot: int, state: SavedState) -> bool:
        assert isinstance(state.data, tuple)
        layers, length = state.data
        self._caches.set(slot, first_of(layers, length), length)
        return True

    def interrupt(self) -> None:
        self._interrupted.set()

    def clear_interrupt(self) -> None:
        self._interrupted.clear()

    def close(self) -> None:
        self._logits.clear()


def _is_stream(entry: BatchEntry) -> bool:
    return len(entry.tokens) == 1 and entry.samples == 1 and entry.position > 0


def _as_numpy(logits: Any) -> Logits:
    """Computes them. numpy has no bfloat16."""
    found: Logits = np.array(logits.astype(mx.float32))
    return found
