"""The living page of every component in every state and both themes, for staff.

What it shows is made up for looking at: nothing here reads the catalog or the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

PANELS = ("light", "dark")
COLOURS = (
    "paper",
    "surface",
    "sunken",
    "ink",
    "ink-muted",
    "line",
    "line-strong",
    "accent",
    "accent-quiet",
    "good",
    "warn",
    "bad",
)
SPEEDS = (24, 26, 25, 18, 19, 23, 27, 26, 26, 22, 25, 24)
CHART_FOOT = 72
PIXELS_PER_SPEED = 2.5


@dataclass(frozen=True)
class Meter:
    name: str
    text: str
    value: int


@dataclass(frozen=True)
class Row:
    name: str
    quantisation: str
    size: str
    state: str


@dataclass(frozen=True)
class Notice:
    kind: str
    title: str
    text: str
    action: str = ""


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    height: float


METERS = (
    Meter("Context", "3.1k of 8k tokens", 38),
    Meter("Context", "6.9k of 8k tokens", 86),
    Meter("Memory", "15.6 of 16 GB", 97),
)
ROWS = (
    Row("Qwen3 8B", "Q4_K_M", "4.9 GB", "ready"),
    Row("SmolLM2 135M", "Q8_0", "145 MB", "unloaded"),
    Row("Mistral 7B", "Q5_K_M", "5.1 GB", "failed"),
)
NOTICES = (
    Notice("", "A chat uses one model at a time.", "Changing it is recorded with each answer."),
    Notice("good", "The file is complete.", "Its checksum is the expected one."),
    Notice("warn", "The context is nearly full.", "6,900 of 8,192 tokens are used.", "New chat"),
    Notice(
        "bad",
        "The model stopped unexpectedly.",
        "Your text is kept. Try again or choose another model.",
        "Retry",
    ),
)


def styleguide(request: HttpRequest) -> HttpResponse:
    if not request.user.is_staff:
        raise PermissionDenied
    context = {
        "panels": PANELS,
        "colours": COLOURS,
        "meters": METERS,
        "rows": ROWS,
        "notices": NOTICES,
        "bars": _bars(),
    }
    return render(request, "styleguide/styleguide.html", context)


def _bars() -> list[Bar]:
    heights = [speed * PIXELS_PER_SPEED for speed in SPEEDS]
    return [Bar(27.0 * n, CHART_FOOT - height, height) for n, height in enumerate(heights)]
