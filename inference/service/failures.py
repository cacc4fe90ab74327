"""Why a model does not answer, where no runner's end says it (those are in `exits`)."""

from __future__ import annotations

from inference.errors import (
    ErrorInfo,
    ModelLoadFailed,
    ModelUnloaded,
    RunnerStuck,
    ServiceUnavailable,
)


def left_alone(seconds: float, last: ErrorInfo | None) -> ErrorInfo:
    reason = f" Last time: {last.message}" if last else ""
    sentence = f"The model failed again and again, so the next try is in {seconds:.0f} s.{reason}"
    return ModelLoadFailed(sentence, retry_after=int(seconds) + 1).info


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
