"""Sees in `serve` that the switch on the page was moved."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from minerva_site.sharing import switch_is_on

LOOK_SECONDS = 0.5


class SharingWatch:
    """Calls `when_changed` from a thread of its own, between `start` and `stop`."""

    def __init__(self, data_dir: Path, *, when_changed: Callable[[], None]) -> None:
        self._data_dir = data_dir
        self._when_changed = when_changed
        self._is_over = threading.Event()
        self._known = switch_is_on(data_dir)
        self._thread = threading.Thread(target=self._watch, name="sharing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            is_on = switch_is_on(self._data_dir)
            if is_on != self._known:
                self._known = is_on
                self._when_changed()
