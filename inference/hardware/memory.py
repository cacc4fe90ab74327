"""The memory this process may use. A control group's limit counts, not the host's size."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from inference.hardware.cgroup import memory_headroom, memory_limit


@dataclass(frozen=True)
class Memory:
    """In bytes. `limited`: a control group allows less than the machine has."""

    total: int
    available: int
    limited: bool


def probe_memory() -> Memory:
    host = psutil.virtual_memory()
    return memory_within(
        total=host.total,
        available=host.available,
        limit=memory_limit(),
        headroom=memory_headroom(),
    )


def memory_within(*, total: int, available: int, limit: int | None, headroom: int | None) -> Memory:
    limited = limit is not None and limit < total
    return Memory(
        total=limit if limit is not None and limited else total,
        available=available if headroom is None else min(available, headroom),
        limited=limited,
    )
