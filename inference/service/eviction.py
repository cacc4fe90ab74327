"""Which models to unload so that another fits. Pure: numbers in, names out.

The answer is advice: whether a model is idle at the moment it shall go is decided by its owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Resident:
    """A loaded model. `size`: bytes that become free with it. A busy one has work to do. A pinned one
    stays whatever happens."""

    model_id: str
    size: int
    last_used_at: float
    is_busy: bool
    is_pinned: bool = False


@dataclass(frozen=True)
class Eviction:
    """`fits`: it does, once `models` are unloaded. `wait`: only when busy ones are done. `never`."""

    verdict: Literal["fits", "wait", "never"]
    models: tuple[str, ...] = ()


def choose(*, need: int, free: int, residents: Sequence[Resident]) -> Eviction:
    """Idle models go, the longest unused first, and no more of them than needed."""
    movable = [resident for resident in residents if not resident.is_pinned]
    idle = sorted((r for r in movable if not r.is_busy), key=lambda r: r.last_used_at)
    chosen: list[Resident] = []
    while free + _size(chosen) < need and len(chosen) < len(idle):
        chosen.append(idle[len(chosen)])
    if free + _size(chosen) >= need:
        return Eviction("fits", _spare(chosen, need=need, free=free))
    if free + _size(movable) >= need:
        return Eviction("wait")
    return Eviction("never")


def _spare(chosen: list[Resident], *, need: int, free: int) -> tuple[str, ...]:
    """Leave out those that a bigger one makes needless, the most recently used first."""
    kept = list(chosen)
    for resident in reversed(chosen):
        if free + _size(kept) - resident.size >= need:
            kept.remove(resident)
    return tuple(resident.model_id for resident in kept)


def _size(residents: Sequence[Resident]) -> int:
    return sum(resident.size for resident in residents)
