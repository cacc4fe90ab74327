"""The page *What each engine can*: the data that a request is checked against, as the docs have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from inference.hardware.mlx_install import mlx_problem
from models_app.access import staff_only

if TYPE_CHECKING:
    from inference.engines import Capabilities


@dataclass(frozen=True)
class EngineColumn:
    """`missing`: why it runs nothing here, and what to do; "" if it does."""

    engine: Capabilities
    missing: str


@staff_only
@require_GET
def engines(request: HttpRequest) -> HttpResponse:
    # With it comes numpy, which no other page needs.
    from inference.engines import ENGINES, Feature

    columns = [EngineColumn(one, _missing(one)) for one in ENGINES]
    rows = [
        (feature, [(one.name, feature in one.features) for one in ENGINES]) for feature in Feature
    ]
    return render(request, "models_app/engines.html", {"columns": columns, "rows": rows})


def _missing(engine: Capabilities) -> str:
    """MLX has an interpreter of its own, which is asked."""
    is_mlx = engine.name == "MLX"
    return mlx_problem(settings.CONFIGURATION.mlx_python) if is_mlx else engine.missing
