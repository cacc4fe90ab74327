"""A figure over time, drawn by the server: a line through its measurements, the oldest at the left.

The scale begins at zero, so that a small change looks small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480.0, 160.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 12.0, 10.0, 24.0
NUM_STEPS = 3


@dataclass(frozen=True)
class Point:
    """`label`: when, `text`: how much. `is_doubtful`: something else went on meanwhile."""

    label: str
    value: float
    text: str
    is_doubtful: bool = False


@dataclass(frozen=True)
class Dot:
    point: Point
    x: float
    y: float


@dataclass(frozen=True)
class Tick:
    text: str
    y: float


@dataclass(frozen=True)
class Chart:
    """All coordinates are of its view box, `WIDTH` by `HEIGHT`."""

    name: str
    title: str
    unit: str
    dots: list[Dot]
    ticks: list[Tick]

    width, height, left, right = WIDTH, HEIGHT, LEFT, WIDTH - RIGHT

    @property
    def line(self) -> str:
        """Points of a polyline."""
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)

    @property
    def has_doubtful(self) -> bool:
        return any(dot.point.is_doubtful for dot in self.dots)

    @property
    def description(self) -> str:
        """For somebody who does not see it."""
        first, last = self.dots[0].point, self.dots[-1].point
        if len(self.dots) == 1:
            return f"{first.text} {self.unit} on {first.label}."
        values = [dot.point.value for dot in self.dots]
        least = self.dots[values.index(min(values))].point.text
        most = self.dots[values.index(max(values))].point.text
        return (
            f"{len(self.dots)} measurements from {first.label} to {last.label}: {first.text} at first, "
            f"{last.text} at last, between {least} and {most} {self.unit}."
        )


def chart_of(name: str, title: str, unit: str, points: Sequence[Point]) -> Chart | None:
    """None: there is nothing to draw. `name` is part of an id in the page."""
    if not points:
        return None
    top = _round_up(max(point.value for point in points))
    dots = [Dot(one, _x(at, len(points)), _y(one.value, top)) for at, one in enumerate(points)]
    ticks = [
        Tick(_tick_text(top * step / NUM_STEPS), _y(top * step / NUM_STEPS, top))
        for step in range(NUM_STEPS + 1)
    ]
    return Chart(name, title, unit, dots, ticks)


def _x(at: int, count: int) -> float:
    """One alone stands in the middle."""
    share = 0.5 if count == 1 else at / (count - 1)
    return round(LEFT + 8 + share * (WIDTH - LEFT - RIGHT - 16), 1)


def _y(value: float, top: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top), 1)


def _tick_text(value: float) -> str:
    """Four digits, and never a power of ten: 60,000, 1,500, 0.075."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _round_up(value: float) -> float:
    """The next number above that divides well by the steps: 3, 6, 12, 15, 30 and the like."""
    if value <= 0:
        return float(NUM_STEPS)
    unit = 10.0 ** math.floor(math.log10(value))
    steps = (1.2, 1.5, 3.0, 6.0, 9.0, 12.0)
    return next(unit * step for step in steps if unit * step >= value)
