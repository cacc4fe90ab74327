"""The page of one repository: what it is, what there is to download, and what of it runs here.

Its table of variants and its model card come on their own as well: the first follows the slider, the
second is asked for once the page is there.
"""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from models_app.access import staff_only
from models_app.hub.card import Card, card_of, has_card
from models_app.hub.errors import HubError, NotFound
from models_app.hub.recent import fresh, recent
from models_app.hub.reference import is_repository
from models_app.hub.settings import hub
from models_app.hub.variants import variants_of


@staff_only
@require_GET
def repository(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    full_name, source = _known_name(owner, name), hub()
    try:
        shown = fresh(source, full_name)
        card = card_of(source, shown) if "card" in request.GET and has_card(shown) else None
    except HubError as error:
        problem = {"name": full_name, "problem": str(error)}
        status = 404 if isinstance(error, NotFound) else 502
        return render(request, "models_app/repository.html", problem, status=status)
    context = {
        "name": full_name,
        "repository": shown,
        "variants": variants_of(request, shown),
        "address": f"{source.endpoint}/{full_name}",
        "has_card": has_card(shown),
        "card": card,
        **token_context(),
    }
    return render(request, "models_app/repository.html", context)


@staff_only
@require_GET
def variants(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The table alone, for what the slider says now."""
    full_name = _known_name(owner, name)
    try:
        shown = recent(hub(), full_name)
    except HubError as error:
        return render(request, "models_app/_hub_problem.html", {"problem": str(error)}, status=422)
    context = {"name": full_name, "repository": shown, "variants": variants_of(request, shown)}
    return render(request, "models_app/_variants.html", context)


@staff_only
@require_GET
def card(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    full_name, source = _known_name(owner, name), hub()
    try:
        found: Card | None = card_of(source, recent(source, full_name))
        problem = ""
    except HubError as error:
        found, problem = None, str(error)
    context = {"name": full_name, "card": found, "card_problem": problem}
    context["address"] = f"{source.endpoint}/{full_name}"
    return render(request, "models_app/_card.html", context)


def token_context() -> dict[str, object]:
    """What the form of the hub's token shows."""
    source = hub()
    return {
        "host": source.host,
        "has_token": bool(source.token),
        "is_token_fixed": bool(settings.HUB_TOKEN),
    }


def _known_name(owner: str, name: str) -> str:
    full_name = f"{owner}/{name}"
    if not is_repository(full_name):
        raise Http404
    return full_name
