"""The page *What each engine can*: the data that a request is checked against, as the docs have it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from inference.engines import ENGINES, MLX, rows
from inference.hardware.mlx_install import mlx_problem
from models_app.access import staff_only


@staff_only
@require_GET
def engines(request: HttpRequest) -> HttpResponse:
    head, *others = rows(ENGINES)
    here = ["On this machine", *(_missing()[one.name] or "yes" for one in ENGINES)]
    named = [(what, list(zip(head[1:], marks, strict=True))) for what, *marks in (here, *others)]
    return render(request, "models_app/engines.html", {"head": head, "rows": named})


def _missing() -> dict[str, str]:
    """By name; MLX has an interpreter of its own, which is asked."""
    problem = mlx_problem(settings.CONFIGURATION.mlx_python)
    return {one.name: one.missing for one in ENGINES} | {MLX.name: problem}
