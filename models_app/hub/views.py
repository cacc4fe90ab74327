"""The pages *Discover* and of one repository: what there is, and what of it runs here."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from models_app.access import staff_only
from models_app.downloads.overview import downloads_of
from models_app.fit import Fit, Room, fit_of, room_here
from models_app.hub.client import Hub, Sort
from models_app.hub.errors import HubError, NotFound
from models_app.hub.quality import Quality, quality_of, recommended
from models_app.hub.reference import is_repository, parse_reference
from models_app.hub.repository import Repository, Variant
from models_app.hub.settings import hub
from models_app.hub.starters import STARTERS, Starter
from models_app.hub.token import forget_token, is_plausible, store_token
from models_app.models import Download
from models_app.templatetags.model_pages import repository_url

SORTS: dict[str, Sort] = {
    "downloads": "downloads",
    "likes": "likes",
    "updated": "lastModified",
    "trending": "trendingScore",
}


@dataclass(frozen=True)
class VariantRow:
    """`download` None: nobody has begun to download it."""

    variant: Variant
    quality: Quality
    fit: Fit
    is_recommended: bool
    is_wanted: bool
    download: Download | None


@dataclass(frozen=True)
class StarterRow:
    starter: Starter
    fit: Fit


@staff_only
@require_GET
def discover(request: HttpRequest) -> HttpResponse:
    """Starters, or what a search finds; a name that is whole leads to its page at once."""
    words = request.GET.get("q", "").strip()
    sort = request.GET.get("sort", "downloads")
    source = hub()
    reference = parse_reference(words, hub_host=source.host)
    if reference.repository:
        wanted = urlencode({"variant": reference.quant, "file": reference.file})
        return redirect(f"{repository_url(reference.repository)}?{wanted}")
    found, problem = _found(source, reference.words, SORTS.get(sort, "downloads"))
    context = {
        "words": words,
        "sort": sort if sort in SORTS else "downloads",
        "sorts": SORTS,
        "found": found,
        "problem": problem,
        "starters": [] if words else _starters(room_here()),
        "is_offline": source.is_offline,
        "host": source.host,
        "has_token": bool(source.token),
        "is_token_fixed": bool(settings.HUB_TOKEN),
    }
    return render(request, "models_app/discover.html", context)


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


@staff_only
@require_POST
def save_token(request: HttpRequest) -> HttpResponse:
    """Empty: the stored one is forgotten."""
    token = request.POST.get("token", "").strip()
    if not token:
        forget_token()
        messages.success(request, "The hub's token is forgotten.")
    elif is_plausible(token):
        store_token(token)
        messages.success(request, "The hub's token is stored.")
    else:
        messages.error(request, "That is no token: it is one word of 8 to 200 characters.")
    return redirect("models:discover")


def _found(source: Hub, words: str, sort: Sort) -> tuple[list[Repository], str]:
    if not words:
        return [], ""
    try:
        return source.search(words, sort=sort), ""
    except HubError as error:
        return [], str(error)


def _starters(room: Room) -> list[StarterRow]:
    rows = (StarterRow(one, _fit_of_starter(one, room)) for one in STARTERS)
    return sorted(rows, key=lambda row: not row.fit.runs)


def _fit_of_starter(starter: Starter, room: Room) -> Fit:
    return fit_of(starter.size, num_parameters=starter.num_parameters, room=room)


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
