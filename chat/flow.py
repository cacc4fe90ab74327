"""How fast a socket may go in both directions, and the codes it is closed with."""

from __future__ import annotations

import asyncio
import time
from collections import deque

SIGNED_OUT, GONE, TOO_SLOW, TOO_MUCH, FAILED = 4001, 4003, 4008, 4009, 1011

SLOW_SECONDS = 30.0
WINDOW_FRAMES = 16
WINDOW_BYTES = 256 * 1024
MESSAGES_PER_SECOND = 20.0
MESSAGE_BURST = 40.0


class Refused(Exception):
    """Close the socket with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Window:
    """What was sent and not acknowledged."""

    def __init__(self) -> None:
        self._unacknowledged: deque[tuple[float, int]] = deque()
        self._num_taken = 0
        self._changed = asyncio.Event()

    def sent(self, size: int) -> None:
        self._unacknowledged.append((time.monotonic(), size))

    def taken(self, num_frames: int) -> None:
        """`num_frames` counts from the opening of the socket."""
        num_new = num_frames - self._num_taken
        if not 0 <= num_new <= len(self._unacknowledged):
            raise Refused(TOO_MUCH)
        for _ in range(num_new):
            self._unacknowledged.popleft()
        self._num_taken = num_frames
        self._changed.set()

    async def opened(self) -> None:
        """Wait until more may be sent. Raises Refused when the page has stopped taking."""
        while self._is_full:
            self._changed.clear()
            oldest, _ = self._unacknowledged[0]
            try:
                async with asyncio.timeout_at(self._deadline(oldest)):
                    await self._changed.wait()
            except TimeoutError:
                raise Refused(TOO_SLOW) from None

    @property
    def _is_full(self) -> bool:
        size = sum(size for _, size in self._unacknowledged)
        return len(self._unacknowledged) >= WINDOW_FRAMES or size >= WINDOW_BYTES

    @staticmethod
    def _deadline(sent_at: float) -> float:
        left = sent_at + SLOW_SECONDS - time.monotonic()
        return asyncio.get_running_loop().time() + left


class Rate:
    """Messages of the page: a bucket that refills."""

    def __init__(self) -> None:
        self._left = MESSAGE_BURST
        self._at = time.monotonic()

    def count(self) -> None:
        now = time.monotonic()
        self._left = min(MESSAGE_BURST, self._left + (now - self._at) * MESSAGES_PER_SECOND) - 1
        self._at = now
        if self._left < 0:
            raise Refused(TOO_MUCH)
