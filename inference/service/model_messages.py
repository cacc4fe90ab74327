"""What the owner of a model is told; it handles one message after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inference.errors import ErrorInfo
from inference.messages import RunnerReport
from inference.service.generation import Generation
from inference.types import ModelSpec


@dataclass(frozen=True)
class Submitted:
    generation: Generation


@dataclass(frozen=True)
class StopRequested:
    generation_id: str


@dataclass(frozen=True)
class LoadRequested:
    spec: ModelSpec


@dataclass(frozen=True)
class UnloadRequested:
    """`if_idle`: nothing happens while it has generations."""

    if_idle: bool = False


@dataclass(frozen=True)
class EvictRequested:
    """`answer(True)` once the memory is free, `answer(False)` when the model is in use."""

    answer: Callable[[bool], None]


@dataclass(frozen=True)
class MemoryWanted:
    """Another model waits for this one's memory, or (`is_wanted` False) does so no longer."""

    is_wanted: bool


@dataclass(frozen=True)
class RunnerStarted:
    """It has memory and a process now; before that, a load costs nothing and can be given up."""

    run: int


@dataclass(frozen=True)
class RunnerReported:
    """`run`: which start of a runner this is about; reports of an earlier one are ignored."""

    run: int
    report: RunnerReport


@dataclass(frozen=True)
class RunnerEnded:
    """Said exactly once for each start. `exit_code` None: it was never started, `error` says why.

    `error` beside an exit code: why the service itself ended it.
    """

    run: int
    exit_code: int | None
    log_tail: str = ""
    error: ErrorInfo | None = None


@dataclass(frozen=True)
class TimePassed:
    pass


@dataclass(frozen=True)
class ShutDown:
    """`answer(True)` once nothing of the model is left. Nothing is loaded after this."""

    answer: Callable[[bool], None]


ModelMessage = (
    Submitted
    | StopRequested
    | LoadRequested
    | UnloadRequested
    | EvictRequested
    | MemoryWanted
    | RunnerStarted
    | RunnerReported
    | RunnerEnded
    | TimePassed
    | ShutDown
)
