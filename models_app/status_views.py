"""The page of one model: what is true of it now. It asks again each second while it is seen."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django_htmx.http import trigger_client_event
from django_htmx.middleware import HtmxDetails

from models_app import catalog
from models_app.access import get_entry, staff_only
from models_app.file_facts import facts_of
from models_app.models import CatalogEntry
from models_app.present import present
from models_app.rows import models_region


class HtmxHttpRequest(HttpRequest):
    htmx: HtmxDetails


@staff_only
@require_GET
def status(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    if request.htmx:
        return render(request, "models_app/_status.html", {"present": present(_shown(entry_id))})
    catalog.refresh()
    entry = _shown(entry_id)
    context: dict[str, object] = {"present": present(entry), "file": facts_of(entry)}
    return render(request, "models_app/status.html", context)


@staff_only
@require_GET
def now(request: HtmxHttpRequest) -> HttpResponse:
    """The memory bar of the list, each second. Rows that differ from what the page shows
    (`seen`) make it ask for the list, which is far more. Folders are left to the worker's looks."""
    region = models_region()
    response = render(request, "models_app/_memory.html", {"region": region})
    if request.GET.get("seen") != region.fingerprint:
        return trigger_client_event(response, "models-changed")
    return response


def _shown(entry_id: UUID) -> CatalogEntry:
    entry = get_entry(entry_id)
    if entry.removed_at is not None:
        raise Http404
    return entry
