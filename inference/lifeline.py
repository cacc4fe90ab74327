"""How a process notices that the one that started it is gone, however that one died.

`serve` holds the write end of a pipe and gives each child the read end. A process that is killed
cannot keep a pipe open, so the end of the pipe means the end of `serve`, on every system and also
after `kill -9`. Linux can send a signal as well, which reaches even a process whose Python is
held up in native code.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading

LIFELINE_VARIABLE = "MINERVA_LIFELINE_FD"

_PR_SET_PDEATHSIG = 1


def exit_with_parent() -> None:
    """End this process at once when the one that holds the lifeline ends.

    Called once, from the main thread, before anything slow is imported. Without the variable in
    the environment (a process started by hand) nothing happens. The variable is taken out of the
    environment, so that a process started from here does not mistake the number for its own.
    """
    value = os.environ.pop(LIFELINE_VARIABLE, None)
    if value is None:
        return
    descriptor = int(value)
    os.set_inheritable(descriptor, False)
    die_with_parent()
    threading.Thread(target=_wait_for_end, args=(descriptor,), name="lifeline", daemon=True).start()


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere nothing happens.

    The kernel means the *thread* that started this process: start children from a thread that
    lives as long as they shall.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _wait_for_end(descriptor: int) -> None:
    """Nothing is ever written to the lifeline; a read returns when its last writer is gone."""
    with contextlib.suppress(OSError):
        while os.read(descriptor, 1):
            pass
    os._exit(1)
