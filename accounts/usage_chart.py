"""The bars of tokens by day, as numbers that a template draws."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.usage import Day

WIDTH, HEIGHT = 320, 72
GAP = 2.0


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Chart:
    days: list[Day]
    bars: list[Bar]
    most: int

    @property
    def total(self) -> int:
        return sum(day.tokens for day in self.days)

    @property
    def days_in_use(self) -> list[Day]:
        """For the table beside it, newest first."""
        return [day for day in reversed(self.days) if day.requests]


def chart_of(days: list[Day]) -> Chart:
    most = max((day.tokens for day in days), default=0)
    step = WIDTH / max(1, len(days))
    bars = [_bar(number * step, step - GAP, day.tokens, most) for number, day in enumerate(days)]
    return Chart(days, bars, most)


def _bar(x: float, width: float, tokens: int, most: int) -> Bar:
    """A day with any use at all is seen."""
    height = max(1.0, tokens / most * HEIGHT) if tokens else 0.0
    return Bar(round(x, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2))
