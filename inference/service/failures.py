"""Why a model does not answer, where no runner's end says it (those are in `exits`)."""

from __future__ import annotations

from inference.causes import cause_of
from inference.errors import (
    ErrorInfo,
    ModelLoadFailed,
    ModelUnloaded,
    RunnerStuck,
    ServiceUnavailable,
)


def left_alone(seconds: float, last: ErrorInfo | None) -> ErrorInfo:
    """`last`: why, which decides what is made of this one too."""
    wait = int(seconds) + 1
    if last is None:
        return ModelLoadFailed(
            f"The model failed, so the next try is in {wait} s.", retry_after=wait
        ).info
    sentence = f"The model failed, so the next try is in {wait} s. Last time: {last.message}"
    return ModelLoadFailed(sentence, retry_after=wait, cause=cause_of(last).value).info


def shutting_down() -> ErrorInfo:
    return ServiceUnavailable("Minerva is shutting down. Try again in a moment.").info


def not_started() -> ErrorInfo:
    return ModelLoadFailed("The model's process could not be started.").info


def unloaded() -> ErrorInfo:
    return ModelUnloaded("The model was unloaded. Send again to load it anew.").info


def load_stuck(fault: str) -> ErrorInfo:
    """`fault` is the middle of a sentence, as `RunnerHealth.fault` gives it."""
    return RunnerStuck(f"The model's process {fault}.").info


def stuck(fault: str) -> ErrorInfo:
    return RunnerStuck(f"The model's process {fault}, and was ended. Retry starts it again.").info
