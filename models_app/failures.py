"""What a failed model's administrator is told: the kind of failure, and what to try next."""

from __future__ import annotations

from dataclasses import dataclass

from inference.causes import Cause, cause_of
from inference.errors import ErrorInfo
from inference.types import ModelDetails


@dataclass(frozen=True)
class Advice:
    """`kind`: in two words. `next_step`: one or two sentences."""

    kind: str
    next_step: str


_ADVICE = {
    Cause.OUT_OF_MEMORY: Advice(
        "Out of memory",
        "Unload another model, give this one a smaller context window or a smaller type of KV "
        "cache, or take a smaller quantisation.",
    ),
    Cause.BAD_FILE: Advice("Bad file", "It is not whole, or no model. Copy or download it again."),
    Cause.UNSUPPORTED: Advice(
        "Not supported", "Update Minerva, or take another file of this model."
    ),
    Cause.SETTINGS: Advice("Settings", "Change what the reason names, or reset its settings."),
    Cause.MISSING_LIBRARY: Advice(
        "Missing library",
        "Something that llama.cpp needs is not installed. manage.py doctor says what is there; "
        "remove .venv and run make run to build it anew.",
    ),
    Cause.CRASH: Advice(
        "Crash",
        "The log says where. Try again once; if it ends the same way, set its layers on the GPU to "
        "0, or take another file of this model.",
    ),
    Cause.STUCK: Advice(
        "No progress",
        "The machine may have been asleep or out of memory. Try again when it is less busy.",
    ),
    Cause.OTHER: Advice("Failed", "Try again, and look at what its process printed."),
}


def advice_for(error: ErrorInfo) -> Advice:
    return _ADVICE[cause_of(error)]


def restarts_told(details: ModelDetails) -> str:
    """What was made of repeated failures; "" when there were none."""
    times = "once" if details.num_failures == 1 else f"{details.num_failures} times"
    if details.closed_seconds:
        return (
            f"It failed {times} within a minute, so it is left alone: nothing starts it for "
            f"another {details.closed_seconds:.0f} s."
        )
    if details.num_failures:
        return f"It failed {times} within the last minute. The fourth time it is left alone for a minute."
    return ""
