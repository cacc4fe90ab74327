"""Every generation the service knows: those that run, and the logs that nobody has forgotten yet."""

from __future__ import annotations

import logging
import time

from inference.errors import GenerationNotFound, Overloaded
from inference.service.generation import Clock, Generation
from inference.types import Request

logger = logging.getLogger(__name__)

MAX_WAITING = 64
MAX_ENDED = 512
MAX_ENDED_BYTES = 24 * 1024 * 1024


class Generations:
    """`MAX_ENDED` and `MAX_ENDED_BYTES` bound what is kept for readers that never come back."""

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, Generation] = {}
        self._ended: dict[str, Generation] = {}

    def admit(self, request: Request) -> Generation | None:
        """A new generation; None when this id is known already. Raises Overloaded."""
        if request.generation_id in self._open or request.generation_id in self._ended:
            return None
        self._check_queue()
        generation = Generation(request, clock=self._clock, on_end=self._keep)
        self._open[generation.id] = generation
        return generation

    def find(self, generation_id: str) -> Generation:
        """Raises GenerationNotFound."""
        generation = self._open.get(generation_id) or self._ended.get(generation_id)
        if generation is None:
            raise GenerationNotFound("This answer is no longer running. Retry to get a new one.")
        return generation

    def find_open(self, generation_id: str) -> Generation | None:
        return self._open.get(generation_id)

    def forget(self, generation_id: str) -> None:
        """Drop an ended log. One that still runs is kept: its text is stored nowhere else."""
        self._ended.pop(generation_id, None)

    @property
    def open_ids(self) -> tuple[str, ...]:
        return tuple(self._open)

    def _check_queue(self) -> None:
        num_waiting = sum(not generation.has_started for generation in self._open.values())
        if num_waiting >= MAX_WAITING:
            raise Overloaded(
                f"{num_waiting} requests are already waiting. Try again in a minute.",
                queue_length=num_waiting,
            )

    def _keep(self, generation: Generation) -> None:
        logger.info(
            "ended generation=%s request=%s seconds=%.3f",
            *(generation.id, generation.request.request_id or "-"),
            self._clock() - generation.arrived_at,
        )
        self._ended[generation.id] = self._open.pop(generation.id)
        while len(self._ended) > MAX_ENDED or self._ended_bytes > MAX_ENDED_BYTES:
            del self._ended[next(iter(self._ended))]

    @property
    def _ended_bytes(self) -> int:
        return sum(generation.log.num_bytes for generation in self._ended.values())
