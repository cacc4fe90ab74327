"""What kind of failure an error is, for somebody who wants to know what to try next.

Whoever raises an error knows best, and says so in its fact `cause`; the rest is told from the exit
code of the runner and what it printed.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from enum import StrEnum

from inference.errors import (
    ErrorInfo,
    ModelFileInvalid,
    ModelUnloaded,
    RunnerStuck,
    ServiceUnavailable,
)


class Cause(StrEnum):
    OUT_OF_MEMORY = "out_of_memory"
    BAD_FILE = "bad_file"
    UNSUPPORTED = "unsupported"
    SETTINGS = "settings"
    MISSING_LIBRARY = "missing_library"
    CRASH = "crash"
    STUCK = "stuck"
    LOST = "lost"
    REFUSED = "refused"
    OTHER = "other"


_BY_CODE = {
    ModelFileInvalid.code: Cause.BAD_FILE,
    RunnerStuck.code: Cause.STUCK,
    ModelUnloaded.code: Cause.OTHER,
    ServiceUnavailable.code: Cause.OTHER,
    "remote_unreachable": Cause.LOST,
}
# A key that is not taken, and a model that the server does not have.
_LASTING_STATUS = (400, 401, 403, 404)
# What linkers and Python say, on Linux and macOS.
_NO_LIBRARY = re.compile(
    r"cannot open shared object file|Library not loaded|image not found|No module named"
    r"|libcuda|libcudart|undefined symbol|Failed to load shared library"
)
_NO_MEMORY = re.compile(r"(?i)out of memory|MemoryError|bad_alloc|cannot allocate memory")


def cause_of(error: ErrorInfo) -> Cause:
    """Of a model that failed to load or whose process ended."""
    said = error.facts.get("cause")
    if said in set(Cause):
        return Cause(said)
    if error.code == "remote_refused":
        return Cause.REFUSED if error.facts.get("status") in _LASTING_STATUS else Cause.LOST
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if "needed_bytes" in error.facts:
        return Cause.OUT_OF_MEMORY
    exit_code = error.facts.get("exit_code")
    if isinstance(exit_code, int):
        return _cause_of_end(exit_code, str(error.facts.get("log_tail", "")))
    return Cause.OTHER


def _cause_of_end(exit_code: int, log_tail: str) -> Cause:
    """SIGKILL that is not ours comes from the kernel, when memory ran out."""
    if exit_code == -signal.SIGKILL or _NO_MEMORY.search(log_tail):
        return Cause.OUT_OF_MEMORY
    if exit_code > 0 and _NO_LIBRARY.search(log_tail):
        return Cause.MISSING_LIBRARY
    return Cause.CRASH


class RetryClass(StrEnum):
    TRANSIENT = "transient"
    EXHAUSTED = "exhausted"
    PERMANENT = "permanent"
    FATAL = "fatal"


@dataclass(frozen=True)
class Retry:
    """What is made of a failed load. `counts`: towards leaving the model alone; `is_lasting`: for that,
    once is enough. `moves_on`: requests that have not begun go to the model's fallback.
    `retry_after`: seconds, which programs are told; None: waiting does not help."""

    counts: bool
    is_lasting: bool
    moves_on: bool
    retry_after: float | None


RETRIES = {
    RetryClass.TRANSIENT: Retry(True, is_lasting=False, moves_on=True, retry_after=5),
    RetryClass.EXHAUSTED: Retry(True, is_lasting=False, moves_on=True, retry_after=30),
    RetryClass.PERMANENT: Retry(True, is_lasting=True, moves_on=True, retry_after=None),
    RetryClass.FATAL: Retry(False, is_lasting=False, moves_on=False, retry_after=2),
}


@dataclass(frozen=True)
class Handling:
    """Of one cause. `tries_next_link`: another device, or other settings, may do better. `words`: the
    reason in half a sentence, after "could not be loaded"."""

    retry_class: RetryClass
    words: str
    tries_next_link: bool = True


HANDLING = {
    Cause.OUT_OF_MEMORY: Handling(RetryClass.EXHAUSTED, "out of memory"),
    Cause.BAD_FILE: Handling(RetryClass.PERMANENT, "its file is not usable", False),
    Cause.UNSUPPORTED: Handling(RetryClass.PERMANENT, "its engine does not know it", False),
    Cause.SETTINGS: Handling(RetryClass.PERMANENT, "its settings do not suit it"),
    Cause.MISSING_LIBRARY: Handling(RetryClass.PERMANENT, "a library is missing"),
    Cause.CRASH: Handling(RetryClass.TRANSIENT, "its process crashed"),
    Cause.STUCK: Handling(RetryClass.TRANSIENT, "its process made no progress"),
    Cause.LOST: Handling(RetryClass.TRANSIENT, "its server cannot be reached"),
    Cause.REFUSED: Handling(RetryClass.PERMANENT, "its server refused it"),
    Cause.OTHER: Handling(RetryClass.TRANSIENT, "for a reason that its page tells"),
}


def reason_of(error: ErrorInfo, *, name: str) -> str:
    """Half a sentence of why the model of this name does not answer."""
    if "retry_after" in error.facts:
        return f"{name} failed again and again, {handling_of(error).words}"
    return f"{name} could not be loaded, {handling_of(error).words}"


def handling_of(error: ErrorInfo) -> Handling:
    return HANDLING[cause_of(error)]


def retry_of(error: ErrorInfo) -> Retry:
    """A fault of the service itself is nothing that the model can be blamed for."""
    if error.code == ServiceUnavailable.code:
        return RETRIES[RetryClass.FATAL]
    return RETRIES[handling_of(error).retry_class]
