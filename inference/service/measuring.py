"""What one run of a runner really takes: measured when it is loaded, and after its first answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from inference.memory_record import MemoryRecord
from inference.messages import Emitted, Loaded, LoadModel, RunnerReport
from inference.service.memory_need import note_use
from inference.types import TERMINAL


class Measuring:
    """`used` in bytes, 0 before it is loaded. The first prompt touches buffers that the load did not;
    later, copies of ended chats are added, which nobody has estimated."""

    def __init__(
        self, load: LoadModel, *, record: MemoryRecord, resident: Callable[[], int]
    ) -> None:
        self.used = 0
        self._load = load
        self._record = record
        self._resident = resident
        self._loaded: Loaded | None = None
        self._has_answered = False

    async def hear(self, report: RunnerReport) -> None:
        """Of each report of the runner, in order."""
        match report:
            case Loaded():
                self._loaded = report
                await self._measure(report)
            case Emitted(event=event) if isinstance(event, TERMINAL) and not self._has_answered:
                self._has_answered = True
                if self._loaded is not None:
                    await self._measure(self._loaded)

    async def _measure(self, loaded: Loaded) -> None:
        self.used = max(self.used, self._resident())
        if loaded.num_gpu_layers or not self.used or self._load.spec.remote is not None:
            return
        path, settings = self._load.spec.path, self._load.settings
        settings = msgspec.structs.replace(settings, context_window=loaded.context_window)
        await asyncio.to_thread(note_use, path, settings, self._record, used=self.used)
