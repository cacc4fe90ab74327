"""What reaches the engine from other threads, through its inbox."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from inference.engine.sequence import Prompt, Sequence
from inference.errors import InferenceError
from inference.types import Pooling


@dataclass(frozen=True)
class Announced:
    """A request has arrived; its prompt is being prepared elsewhere."""

    sequence: Sequence


@dataclass(frozen=True)
class Prepared:
    sequence_id: str
    prompt: Prompt


@dataclass(frozen=True)
class PreparedInputs:
    """Texts that vectors are wanted of. `pooling` None: as the model was trained."""

    sequence_id: str
    inputs: tuple[array[int], ...]
    pooling: Pooling | None = None


@dataclass(frozen=True)
class Refused:
    sequence_id: str
    error: InferenceError


@dataclass(frozen=True)
class Cancelled:
    sequence_id: str


Post = Announced | Prepared | PreparedInputs | Refused | Cancelled
