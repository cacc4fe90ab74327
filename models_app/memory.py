"""This machine's memory as one bar: what each loaded model takes, what all else takes, what is free.

The kernel counts pages of a model's file as available, though a model in use needs them: here they
are the model's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inference.hardware.memory import Memory
from inference.types import ServiceStatus

BAR_WIDTH = 1000.0


@dataclass(frozen=True)
class Segment:
    """`kind`: "model", "others" or "free". `start` and `width` of a bar of 1,000."""

    name: str
    num_bytes: int
    kind: str
    start: float
    width: float


def memory_bar(
    memory: Memory, service: ServiceStatus | None, names: Mapping[str, str]
) -> list[Segment]:
    """From left to right. `names` of models by their ids; () while the service does not answer."""
    if service is None:
        return []
    models = [
        (names[one.model_id], one.memory)
        for one in service.models
        if one.memory and one.model_id in names
    ]
    private = sum(max(0, one.memory - one.mapped_memory) for one in service.models)
    taken = sum(size for _, size in models)
    others = max(0, memory.total - memory.available - private)
    free = max(0, memory.total - others - taken)
    parts = [(name, size, "model") for name, size in models]
    parts += [("Everything else", others, "others"), ("Free", free, "free")]
    return _laid_out(parts, total=max(memory.total, taken + others + free))


def _laid_out(parts: list[tuple[str, int, str]], *, total: int) -> list[Segment]:
    segments: list[Segment] = []
    start = 0.0
    for name, size, kind in parts:
        width = round(BAR_WIDTH * size / total, 1)
        segments.append(Segment(name, size, kind, round(start, 1), width))
        start += width
    return segments
