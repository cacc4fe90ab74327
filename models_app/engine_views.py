"""The page *What each engine can*: the data that a request is checked against, as the docs have it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from inference.engines import ENGINES, MLX, REMOTE, rows
from inference.hardware.mlx_install import SET_UP, mlx_problem
from models_app.access import staff_only


@staff_only
@require_GET
def engines(request: HttpRequest) -> HttpResponse:
    head, *others = rows(ENGINES)
    here = ["On this machine", *(_here()[one.name] for one in ENGINES)]
    named = [(what, list(zip(head[1:], marks, strict=True))) for what, *marks in (here, *others)]
    return render(request, "models_app/engines.html", {"head": head, "rows": named})


def _here() -> dict[str, str]:
    """By name: whether it runs, or what to do. MLX has an interpreter of its own, which is asked."""
    is_without_mlx = bool(mlx_problem(settings.CONFIGURATION.mlx_python))
    own = {one.name: one.missing or "yes" for one in ENGINES}
    return own | {MLX.name: SET_UP if is_without_mlx else "yes", REMOTE.name: "on its own machine"}
