"""What is true of the models now, as the service tells it. Plain values, like those of `types`."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from inference.errors import ErrorInfo


class ModelState(StrEnum):
    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    UNLOADING = "unloading"
    FAILED = "failed"


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class PastFailure(msgspec.Struct, frozen=True):
    """`at`: seconds since 1970."""

    at: float
    message: str


class BreakerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a model that failed is left alone. Times are seconds since 1970, 0.0: never, or not known.

    `until`: when an open one lets a trial through. `num_failures`: of the last minute; `failures`: the
    last ones, whenever they were.
    """

    state: BreakerState = BreakerState.CLOSED
    since: float = 0.0
    until: float = 0.0
    num_failures: int = 0
    failures: tuple[PastFailure, ...] = ()


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of one model now. `device`: "CPU", "CUDA: NVIDIA …", "Metal".

    `fallback`: why the model is not where it was first tried, "" when it is.
    `estimated_memory`: what was expected of it before it was loaded.
    `error`: set in FAILED. `memory`: resident bytes of the runner process; `mapped_memory`: those of
    them that are pages of files. `num_layers` 0: nobody knows. `engine`: what computes, with its version.
    Times are seconds since 1970, 0.0: never. Counts are of all loads since the service started, answers
    that are being written included; rates are tokens a second of one answer, 0.0: not known yet.
    """

    model_id: str
    state: ModelState
    fraction: float = 0.0
    device: str = ""
    fallback: str = ""
    error: ErrorInfo | None = None
    context_window: int = 0
    num_running: int = 0
    num_waiting: int = 0
    memory: int = 0
    mapped_memory: int = 0
    estimated_memory: int = 0
    load_seconds: float = 0.0
    runner_pid: int = 0
    num_gpu_layers: int = 0
    num_layers: int = 0
    engine: str = ""
    loaded_at: float = 0.0
    last_used_at: float = 0.0
    num_answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_rate: float = 0.0
    decode_rate: float = 0.0
    breaker: BreakerStatus = BreakerStatus()


class ModelDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What only the administrator of a model wants to know. Its status is told when it is unloaded, too.

    `log_tail`: the last lines that its runner printed, this one's or the last one's.
    """

    status: ModelStatus
    log_tail: str = ""


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded model in the way of another. `users`: whose requests it has now; none, it is idle, for
    `idle_seconds`."""

    model_id: str
    users: tuple[str, ...] = ()
    idle_seconds: float = 0.0


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen if a model were loaded now; nothing is held for it.

    `verdict`: "loaded" as wanted already; "fits" once `models` are unloaded (none: as it is);
    "waits" until `models` have ended what they do; "never". `needed` and `free` in bytes.
    """

    verdict: Literal["loaded", "fits", "waits", "never"]
    needed: int
    free: int
    models: tuple[Affected, ...] = ()


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Models that are not listed are unloaded; `unloaded`: those of them that did something since the service was
    started. `generations`: ids still running."""

    pid: int
    models: tuple[ModelStatus, ...] = ()
    generations: tuple[str, ...] = ()
    unloaded: tuple[ModelStatus, ...] = ()

    def of(self, model_id: str) -> ModelStatus | None:
        """None: it is unloaded."""
        return next((one for one in self.models if one.model_id == model_id), None)

    def done_by(self, model_id: str) -> ModelStatus | None:
        """Loaded or not. None: it did nothing since the service was started."""
        unloaded = (one for one in self.unloaded if one.model_id == model_id)
        return self.of(model_id) or next(unloaded, None)
