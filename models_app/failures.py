"""What a failed model's administrator is told: the kind of failure, and what to try next."""

from __future__ import annotations

from dataclasses import dataclass

from inference.causes import Cause, cause_of
from inference.errors import ErrorInfo
from inference.types import BreakerState, BreakerStatus


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
    Cause.BAD_FILE: Advice(
        "Bad file",
        "Compare its size and SHA-256 with those at its source, and fetch it again if they differ. What is "
        "fetched on the page Downloads is checked by itself.",
    ),
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
    Cause.LOST: Advice("Not reached", "The next request for this model tries again."),
    Cause.REFUSED: Advice(
        "Refused", "Look at the key and the model's name that its server is asked with."
    ),
    Cause.OTHER: Advice("Failed", "Try again, and look at what its process printed."),
}


def advice_for(error: ErrorInfo) -> Advice:
    return _ADVICE[cause_of(error)]


def breaker_told(breaker: BreakerStatus, *, now: float) -> str:
    """What was made of its failures; "" when there were none. `now`: seconds since 1970."""
    match breaker.state:
        case BreakerState.OPEN:
            seconds = max(1, round(breaker.until - now))
            return (
                f"It is left alone after {_times(len(breaker.failures))}: no request starts it for "
                f"another {seconds} s. They go to its fallback, or are refused with the reason."
            )
        case BreakerState.HALF_OPEN:
            return (
                f"It was left alone after {_times(len(breaker.failures))}. The next request is a trial: if "
                "it is loaded and answers, all is well again; if not, it is left alone for longer."
            )
    if breaker.num_failures:
        return (
            f"{_times(breaker.num_failures).capitalize()} within the last minute. After the fourth it is "
            "left alone for a minute."
        )
    return ""


def _times(number: int) -> str:
    return "one failure" if number == 1 else f"{number} failures"
