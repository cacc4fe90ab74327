"""What the life of a model does to the world, as a protocol: a test writes down what was asked."""

from __future__ import annotations

from typing import Protocol

from inference.errors import ErrorInfo
from inference.messages import LoadModel, RunnerCommand
from inference.service.generation import Generation


class Effects(Protocol):
    """What this state machine can do to the world. None of these waits."""

    def bring_up(self, run: int, load: LoadModel) -> None:
        """Get memory, start a runner, have it load. RunnerStarted, RunnerReported… RunnerEnded."""

    def take_down(self, run: int, *, at_once: bool) -> None:
        """End that run wherever it is, by force if `at_once`. RunnerEnded follows. Idempotent."""

    def send(self, command: RunnerCommand) -> None:
        """To the runner of the present run; without one it is dropped."""

    def pass_on(self, generation: Generation, error: ErrorInfo) -> None:
        """To its fallback. It is in no queue of ours any more."""
