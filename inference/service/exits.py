"""What a runner's end means, in the words a user reads."""

from __future__ import annotations

import signal

import msgspec

from inference.errors import ErrorInfo, ModelLoadFailed, RunnerCrashed

_TAIL_BYTES = 4096


def crash(*, exit_code: int, log_tail: str) -> RunnerCrashed:
    """It died under its generations."""
    return RunnerCrashed(
        f"The model's process {_end(exit_code)}. The text so far is kept. Retry starts it again.",
        exit_code=exit_code,
        log_tail=log_tail[-_TAIL_BYTES:],
    )


def load_crash(*, exit_code: int, log_tail: str) -> ModelLoadFailed:
    """It died before it was ready."""
    return ModelLoadFailed(
        f"The model's process {_end(exit_code)} while it loaded the model.",
        exit_code=exit_code,
        log_tail=log_tail[-_TAIL_BYTES:],
    )


def load_error(said: ErrorInfo | None, *, exit_code: int, log_tail: str) -> ErrorInfo:
    """What the runner itself said of its failed load, or what its end means; with what it printed."""
    error = said or load_crash(exit_code=exit_code, log_tail=log_tail).info
    facts = {"log_tail": log_tail[-_TAIL_BYTES:], **error.facts}
    return msgspec.structs.replace(error, facts=facts)


def _end(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "was killed, most often because memory ran out"
    if exit_code < 0:
        return f"crashed ({_signal_name(-exit_code)})"
    return f"ended unexpectedly (exit code {exit_code})"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
