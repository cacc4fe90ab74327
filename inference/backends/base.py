"""What the engine needs of an ML library: one protocol, and what a back end can do as data.

Knows no library. A back end's module imports its library inside the class that needs it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from inference.backends.capabilities import Capabilities
from inference.messages import LoadSettings
from inference.types import ModelSpec, OutputFormat, Pooling, SamplingParams

# One row for each token.
TokenVectors = npt.NDArray[np.float32]


class DecodeResult(StrEnum):
    """What became of a batch. After all but DONE its slots may hold some of it: `forget` the rest."""

    DONE = "done"
    CACHE_FULL = "cache_full"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class BatchEntry:
    """Consecutive tokens of one sequence. `samples`: after so many of the last ones logits are wanted."""

    slot: int
    position: int
    tokens: array[int]
    samples: int


@dataclass(frozen=True)
class SavedState:
    """What a slot held, outside of the KV cache. `data` is the back end's own."""

    num_bytes: int
    data: object


class Sampler(Protocol):
    """How one sequence's next tokens are chosen: settings, random state and history."""

    def close(self) -> None: ...


class EmbeddingModel(Protocol):
    """A model's hidden states, beside what it generates and with nothing in common. Belongs to the
    engine's thread.

    `window`: tokens of an input; `token_budget`: of one decode; `needs_whole`: no input may be computed in
    parts; `num_slots`: inputs kept apart; `pooling`: how the model was trained to tell of an input.
    """

    window: int
    token_budget: int
    needs_whole: bool
    num_slots: int
    pooling: Pooling

    def decode(self, batch: Sequence[BatchEntry]) -> DecodeResult: ...

    def vectors(self) -> TokenVectors:
        """One for each token of the last batch. Valid until the next."""
        ...

    def forget(self, slot: int) -> None: ...


class LoadedModel(Protocol):
    """A model in memory. All but `tokenize…`, `make_grammar` and `interrupt` belong to the engine's thread.

    `vocabulary_size`: tokens it knows; `context_window`: tokens one sequence may hold; `num_cells`: tokens the KV cache holds for all;
    `max_sequences`: computed together; `num_slots`: what it keeps apart, running or not;
    `token_budget`: tokens one decode takes; `num_outputs`: of them, those that logits may be wanted after;
    `decode_seconds`: what the proving token took. `can_cut`: the last tokens of a slot can always be dropped.
    `generates` False: all it can is to make embeddings, of `embedding_window` tokens each at most.
    `engine`: what computes, with its version; `num_layers`, of them `num_gpu_layers` on a GPU, 0: not known.
    `chat_template`: the model's own, "" if it has none; `bos_text`, `eos_text`: for its variables.
    """

    context_window: int
    num_cells: int
    num_slots: int
    max_sequences: int
    token_budget: int
    num_outputs: int
    can_cut: bool
    device: str
    engine: str
    num_layers: int
    num_gpu_layers: int
    decode_seconds: float
    generates: bool
    embedding_window: int
    chat_template: str
    bos_text: str
    eos_text: str

    @property
    def vocabulary_size(self) -> int: ...

    def tokenize(self, text: str) -> array[int]:
        """From any thread. Special tokens in `text` are parsed; BOS is added where it belongs."""
        ...

    def tokenize_input(self, text: str) -> array[int]:
        """From any thread. A text to make an embedding of, with what belongs around it; special tokens
        in it are but text."""
        ...

    def piece(self, token: int) -> bytes: ...

    def is_end(self, token: int) -> bool: ...

    def make_grammar(self, wanted: OutputFormat) -> str:
        """From any thread. Raises InvalidRequest for what this back end cannot hold to."""
        ...

    def make_embedding_model(self) -> EmbeddingModel:
        """Of the same weights. Raises InferenceError where memory does not suffice."""
        ...

    def make_sampler(self, sampling: SamplingParams, *, grammar: str = "") -> Sampler:
        """`grammar`: one that `make_grammar` made, or ""."""
        ...

    def decode(self, batch: Sequence[BatchEntry]) -> DecodeResult: ...

    def sample(self, index: int, sampler: Sampler, *, place: int = 0) -> int:
        """The next token in entry `index` of the last batch: after the first of those that it asked for
        logits after, or after the one in this place."""
        ...

    def logprobs(
        self, index: int, token: int, *, count: int, place: int = 0
    ) -> list[tuple[int, float]]:
        """Of `token` where `sample` chose it, and then of the `count` likeliest tokens there: tokens and
        natural logarithms of their probabilities."""
        ...

    def forget(self, slot: int, *, position: int = 0) -> bool:
        """Drop a slot's tokens from `position` on. False: it can only be dropped as a whole."""
        ...

    def share(self, slot: int, other: int, *, length: int) -> bool:
        """Let `other`, which is empty, begin with the first `length` tokens of `slot`. False: this
        model can't, and `other` is empty still."""
        ...

    def save(self, slot: int, *, most: int) -> SavedState | None:
        """A copy of all that a slot holds. None: it is larger than `most` bytes, or no such copy is
        as good as the slot."""
        ...

    def restore(self, slot: int, state: SavedState) -> bool:
        """Into a slot that is empty. False: there is no room for it, and it is empty still."""
        ...

    def interrupt(self) -> None:
        """From any thread: end the decode in progress, or else the next one, early."""
        ...

    def clear_interrupt(self) -> None: ...

    def close(self) -> None: ...


class Backend(Protocol):
    capabilities: ClassVar[Capabilities]

    def load(
        self, spec: ModelSpec, settings: LoadSettings, progress: Callable[[float], None]
    ) -> LoadedModel:
        """Load and prove by decoding one token. Raises ModelLoadFailed with a sentence to show."""
        ...
