"""How far a download is, told to the database twice a second, and what makes it stop."""

from __future__ import annotations

import threading
import time

from django.conf import settings

from models_app.downloads import states
from models_app.models import Download

REPORT_SECONDS = 0.5
# How much the newest half second counts for the speed.
NEWEST = 0.2
SLICE_SECONDS = 0.25


class Limit:
    """Bytes per second of all downloads of this process together; 0: as many as come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0

    def delay(self, num_bytes: int, *, bytes_per_second: float) -> float:
        """Seconds to wait after so many bytes came."""
        if bytes_per_second <= 0:
            return 0.0
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + num_bytes / bytes_per_second
            return self._free_at - now


limit = Limit()


class Progress:
    """Of one run. Every call may raise LeaseLost: somebody wants it to stop."""

    def __init__(self, download: Download, *, done: int) -> None:
        self.done = done
        self._download = download
        self._reported_at = time.monotonic()
        self._reported = done
        self._speed: float | None = None

    def received(self, num_bytes: int) -> None:
        """So many bytes came, and no faster than they may; less than none where a file begins anew."""
        self.add(num_bytes)
        self._throttle(max(num_bytes, 0))

    def add(self, num_bytes: int) -> None:
        """So many bytes are done."""
        self.done += num_bytes
        if time.monotonic() >= self._reported_at + REPORT_SECONDS:
            self.report()

    def wait(self, seconds: float) -> None:
        """A pause in which a person may still stop it."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, REPORT_SECONDS))
            self.report()

    def report(self) -> None:
        now = time.monotonic()
        newest = max(self.done - self._reported, 0) / max(now - self._reported_at, 0.001)
        before = newest if self._speed is None else self._speed
        self._speed = before + NEWEST * (newest - before)
        self._reported_at, self._reported = now, self.done
        states.renew(self._download, done_bytes=self.done, bytes_per_second=int(self._speed))

    def _throttle(self, num_bytes: int) -> None:
        delay = limit.delay(num_bytes, bytes_per_second=settings.DOWNLOAD_BYTES_PER_SECOND)
        while delay > 0:
            time.sleep(min(delay, SLICE_SECONDS))
            delay -= SLICE_SECONDS
            if time.monotonic() >= self._reported_at + REPORT_SECONDS:
                self.report()
