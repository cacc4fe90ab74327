"""What happened in one generation: append-only, numbered, for any number of readers.

Events are kept as the frames that readers get, encoded once: that is the smallest form in memory,
its size is known to the byte, and ten readers cost no more encoding than one. A reader owns
nothing but the number it has read up to, so a slow one costs nothing either.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from inference.messages import Logged
from inference.types import TERMINAL, Event, LoggedEvent
from inference.wire import encode_frame

# A reader that is far behind gets its events in parts of about this size.
_BATCH_EVENTS = 256


class GenerationLog:
    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._grown = asyncio.Event()
        self.has_ended = False
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def append(self, event: Event) -> None:
        assert not self.has_ended, "nothing follows a terminal event"
        frame = encode_frame(Logged(LoggedEvent(len(self._frames) + 1, event)))
        self._frames.append(frame)
        self.num_bytes += len(frame)
        self.has_ended = isinstance(event, TERMINAL)
        self._wake_readers()

    async def follow(self, *, after: int = 0) -> AsyncIterator[bytes]:
        """Frames of the events above `after`, several joined; ends behind the terminal event."""
        position = max(after, 0)
        while True:
            while part := self._frames[position : position + _BATCH_EVENTS]:
                position += len(part)
                yield b"".join(part)
            if self.has_ended:
                return
            await self._grown.wait()

    def _wake_readers(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
