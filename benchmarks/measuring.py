"""How the benchmarks time things: the median of many runs, and a table of ratios to the first row."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median_seconds(action: Callable[[], object], *, runs: int = 15) -> float:
    """After one run that is not counted, for what is imported or cached at first use."""
    action()
    return statistics.median(_seconds(action) for _ in range(runs))


def _seconds(action: Callable[[], object]) -> float:
    started_at = time.perf_counter()
    action()
    return time.perf_counter() - started_at


def print_ratios(title: str, seconds: dict[str, float]) -> None:
    print(f"\n{title}")
    first = next(iter(seconds.values()))
    for name, value in seconds.items():
        print(f"  {name:<42}{value * 1000:>10.2f} ms{value / first:>9.2f} x")
