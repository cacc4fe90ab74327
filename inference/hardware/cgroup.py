"""The limits a Linux control group sets on this process: CPU time and memory.

Standard library only. Both versions of the interface are read. Limits are inherited, so the lowest
one between our own group and the root counts. Elsewhere, and without a limit, the answer is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
UNLIMITED = 1 << 60  # version 1 writes a number near 2**63 where there is no limit


def cpu_quota(*, root: Path = ROOT, membership: Path = MEMBERSHIP) -> float | None:
    """Processors' worth of time this process may use, e.g. 1.5."""
    quotas = []
    for group in _groups("cpu", root=root, membership=membership):
        quotas.append(_ratio(_read(group / "cpu.max").split()))
        quotas.append(
            _ratio([_read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")])
        )
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_limit(*, root: Path = ROOT, membership: Path = MEMBERSHIP) -> int | None:
    """Bytes this process and its group may use."""
    limits = [limit for limit, _ in _memory_groups(root=root, membership=membership)]
    return min(limits, default=None)


def memory_headroom(*, root: Path = ROOT, membership: Path = MEMBERSHIP) -> int | None:
    """Bytes left under the tightest limit; file cache that the kernel can drop counts as left."""
    groups = _memory_groups(root=root, membership=membership)
    return min((max(0, limit - used) for limit, used in groups), default=None)


def _memory_groups(*, root: Path, membership: Path) -> list[tuple[int, int]]:
    found = []
    for group in _groups("memory", root=root, membership=membership):
        limit = _number(group / "memory.max") or _number(group / "memory.limit_in_bytes")
        used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes") or 0
        if limit is not None and limit < UNLIMITED:
            found.append((limit, used - _droppable(group)))
    return found


def _groups(controller: str, *, root: Path, membership: Path) -> Iterator[Path]:
    """Our own group and all above it, as folders; a container sees its own group as the root."""
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controllers if controllers else root
        top = top if top.is_dir() else root / controller
        group = top / path.lstrip("/")
        while group != top and group.is_relative_to(top):
            yield group
            group = group.parent
        yield top


def _ratio(parts: list[str]) -> float | None:
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or int(parts[1]) == 0:
        return None
    return int(parts[0]) / int(parts[1])


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text.isdigit() else None


def _droppable(group: Path) -> int:
    for line in _read(group / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
