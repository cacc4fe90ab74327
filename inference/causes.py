"""What kind of failure an error is, for somebody who wants to know what to try next.

Whoever raises an error knows best, and says so in its fact `cause`; the rest is told from the exit
code of the runner and what it printed.
"""

from __future__ import annotations

import re
import signal
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
    OTHER = "other"


_BY_CODE = {
    ModelFileInvalid.code: Cause.BAD_FILE,
    RunnerStuck.code: Cause.STUCK,
    ModelUnloaded.code: Cause.OTHER,
    ServiceUnavailable.code: Cause.OTHER,
}
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
