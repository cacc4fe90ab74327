"""What the page of a model's benchmarks shows."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from models_app.benchmarks.chart import Chart, Point, chart_of
from models_app.benchmarks.loads import TARGETS
from models_app.benchmarks.record import Benchmark, BenchmarkState, PromptSpeed
from models_app.models import CatalogEntry
from models_app.templatetags.quantities import rate

MOST_SHOWN = 20
# What the chart of prompts is of, where the window is large enough.
CHARTED_TARGET = 512


@dataclass(frozen=True)
class Row:
    benchmark: Benchmark
    speeds: list[PromptSpeed | None]


@dataclass(frozen=True)
class Overview:
    """`newest`: whatever became of it. `rows`: those that are done, the newest first."""

    entry: CatalogEntry
    newest: Benchmark | None
    rows: list[Row]
    charts: list[Chart]

    targets = TARGETS

    @property
    def active(self) -> Benchmark | None:
        return self.newest if self.newest and self.newest.is_active else None

    @property
    def problem(self) -> str:
        """Why the newest has no figures; "" if it has, or was given up by somebody."""
        failed = (BenchmarkState.FAILED, BenchmarkState.INTERRUPTED)
        return self.newest.reason if self.newest and self.newest.state in failed else ""


def overview_of(entry: CatalogEntry) -> Overview:
    """Three queries, however many benchmarks there are."""
    newest = Benchmark.objects.filter(entry=entry).first()
    done = Benchmark.objects.done().filter(entry=entry).prefetch_related("prompts")
    rows = [_row(one) for one in done[:MOST_SHOWN]]
    oldest_first = rows[::-1]
    charts = [
        chart_of("writing", "Writing an answer", "tokens/s", _writing(oldest_first)),
        chart_of("reading", "Reading a prompt", "tokens/s", _reading(oldest_first)),
    ]
    return Overview(entry, newest, rows, [chart for chart in charts if chart])


def _row(benchmark: Benchmark) -> Row:
    speeds = {one.target: one for one in benchmark.prompts.all()}
    return Row(benchmark, [speeds.get(target) for target in TARGETS])


def _writing(rows: list[Row]) -> list[Point]:
    return [
        _point(row.benchmark, row.benchmark.tokens_per_second)
        for row in rows
        if row.benchmark.tokens_per_second
    ]


def _reading(rows: list[Row]) -> list[Point]:
    """Of one length of prompts only: a longer one is another figure."""
    found = {row.benchmark.pk: _charted(row) for row in rows}
    return [
        _point(row.benchmark, speed.tokens_per_second)
        for row in rows
        if (speed := found[row.benchmark.pk])
    ]


def _charted(row: Row) -> PromptSpeed | None:
    speeds = [one for one in row.speeds if one and one.target <= CHARTED_TARGET]
    return speeds[-1] if speeds else None


def _point(benchmark: Benchmark, value: float) -> Point:
    at = timezone.localtime(benchmark.created_at)
    return Point(f"{at:%Y-%m-%d %H:%M}", value, rate(value), bool(benchmark.disturbance))
