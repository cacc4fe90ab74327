"""The page of one repository: what there is to download, and what of it runs here."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from models_app.access import staff_only
from models_app.downloads.overview import downloads_of
from models_app.fit import Fit, Room, fit_of, room_here
from models_app.hub.errors import HubError, NotFound
from models_app.hub.quality import Quality, quality_of, recommended
from models_app.hub.reference import is_repository
from models_app.hub.repository import Repository, Variant
from models_app.hub.settings import hub
from models_app.models import Download


@dataclass(frozen=True)
class VariantRow:
    """`download` None: nobody has begun to download it."""

    variant: Variant
    quality: Quality
    fit: Fit
    is_recommended: bool
    is_wanted: bool
    download: Download | None


@staff_only
@require_GET
def repository(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    full_name = f"{owner}/{name}"
    if not is_repository(full_name):
        raise Http404
    try:
        shown = hub().repository(full_name)
    except HubError as error:
        problem = {"name": full_name, "problem": str(error)}
        status = 404 if isinstance(error, NotFound) else 502
        return render(request, "models_app/repository.html", problem, status=status)
    wanted = shown.named(request.GET.get("variant", ""), request.GET.get("file", ""))
    context = {
        "name": full_name,
        "repository": shown,
        "rows": _rows(shown, room_here(), wanted),
        "address": f"{hub().endpoint}/{full_name}",
    }
    return render(request, "models_app/repository.html", context)


def _rows(shown: Repository, room: Room, wanted: Variant | None) -> list[VariantRow]:
    fits = {
        one.label: fit_of(one.size, num_parameters=shown.num_parameters, room=room)
        for one in shown.variants
    }
    best = recommended([one for one in shown.variants if fits[one.label].runs])
    downloads = downloads_of(shown.name)
    return [
        VariantRow(
            one,
            quality_of(one),
            fits[one.label],
            one == best,
            one == wanted,
            downloads.get(one.label),
        )
        for one in shown.variants
    ]
