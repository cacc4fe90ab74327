"""Numbers as a person reads them: with their unit, and no more digits than mean something."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone

register = template.Library()

_SPACE = "\N{NO-BREAK SPACE}"


@register.filter
def size(num_bytes: int) -> str:
    """Decimal units, as disks and download pages count: 4.68 GB."""
    return _scaled(num_bytes, ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes")))


@register.filter
def parameters(count: int) -> str:
    """7.62 B (billion), 135 M (million)."""
    return _scaled(count, ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"), (1, "")))


@register.filter
def thousands(number: int) -> str:
    return f"{number:,}"


@register.filter
def seconds(duration: float) -> str:
    return f"{duration:.1f}{_SPACE}s"


@register.filter
def rate(per_second: float) -> str:
    """Three digits: 1,240, 23.4, 0.08."""
    return f"{per_second:,.0f}" if per_second >= 1000 else _three_digits(per_second)


@register.filter
def precise(num_seconds: float) -> str:
    """Three digits of a second: 0.084, 1.24, 31.5."""
    return f"{num_seconds:.3f}" if num_seconds < 1 else _three_digits(num_seconds)


@register.filter
def words(name: str) -> str:
    """kv_cache_type: kv cache type."""
    return name.replace("_", " ")


@register.filter
def moment(at: datetime | None) -> str:
    """How long ago, and when it was long ago the day."""
    if at is None:
        return "never"
    elapsed = int((timezone.now() - at).total_seconds())
    if elapsed < 5:
        return "now"
    if elapsed < 86_400:
        return f"{duration(elapsed)} ago"
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}"


def roughly_ago(at: datetime) -> str:
    """In words that hold for a while: just now, 3 min ago, 2 h ago, 2026-11-28."""
    minutes = int((timezone.now() - at).total_seconds()) // 60
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes}{_SPACE}min ago"
    return f"{minutes // 60}{_SPACE}h ago" if minutes < 24 * 60 else f"{at:%Y-%m-%d}"


@register.filter
def duration(num_seconds: float) -> str:
    """As long as it takes, roughly: 12 s, 3 min, 2 h 5 min."""
    if num_seconds < 60:
        return f"{int(num_seconds)}{_SPACE}s"
    minutes = round(num_seconds / 60)
    if minutes < 60:
        return f"{minutes}{_SPACE}min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{_SPACE}h {minutes}{_SPACE}min"


def _scaled(number: float, units: tuple[tuple[float, str], ...]) -> str:
    for index, (factor, unit) in enumerate(units):
        if number >= factor or index == len(units) - 1:
            return f"{_three_digits(number / factor)}{_SPACE}{unit}".rstrip()
    raise AssertionError("the last unit takes every number")


def _three_digits(number: float) -> str:
    if number >= 100 or number == int(number):
        return f"{number:.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"
