"""What the set-up says: plain sentences, and one progress line that renews itself on a terminal."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

PLAIN_INTERVAL_SECONDS = 10.0
TERMINAL_INTERVAL_SECONDS = 0.5


class SetUpFailed(Exception):
    """Ends the set-up. The text says what happened and what to do next."""


def say(*texts: str, sep: str = " ") -> None:
    print(*texts, sep=sep, flush=True)


def elapsed(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Progress:
    """While open, shows `text` and the time gone by: a line every 10 s, on a terminal one line.

    A thread of its own shows it, so that a step that prints nothing for a minute is seen to live.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._started_at = time.monotonic()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started_at

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        on_terminal = sys.stdout.isatty()
        interval = TERMINAL_INTERVAL_SECONDS if on_terminal else PLAIN_INTERVAL_SECONDS
        start, end = ("\r\x1b[K", "") if on_terminal else ("", "\n")
        while not self._closed.wait(interval):
            print(f"{start}    {self.text} ({elapsed(self.seconds)})", end=end, flush=True)
        if on_terminal:
            print("\r\x1b[K", end="", flush=True)
