"""The models page. A request of htmx gets the part it is about, others the page or a way back."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HTMX_STOP_POLLING, reswap, retarget, trigger_client_event

from inference.errors import InferenceError, ServiceUnavailable
from models_app import catalog, loading, removal, settings_views
from models_app.access import get_entry, staff_only
from models_app.htmx import HtmxHttpRequest
from models_app.models import CatalogEntry
from models_app.outcome import outcome_of
from models_app.rows import model_row, models_region
from models_app.templatetags.quantities import size


@staff_only
@require_GET
def models_list(request: HtmxHttpRequest) -> HttpResponse:
    """What is on disk now: somebody who just put a file there opens this page to see it."""
    catalog.scan()
    return _region(request)


@staff_only
@require_GET
def entry(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    """One row, which asks again each second while it is changing and is then told to stop."""
    catalog.refresh()
    row = model_row(get_entry(entry_id))
    if not request.htmx:
        return redirect("models:list")
    if row.status.is_changing:
        return render(request, "models_app/_row.html", {"row": row})
    response = render(request, "models_app/_row.html", {"row": row}, status=HTMX_STOP_POLLING)
    # Loading one model may have unloaded another: the whole list is asked for once more.
    return trigger_client_event(response, "models-changed")


@staff_only
@require_POST
def load(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    """At once if that costs nobody anything; else what will happen is shown first."""
    chosen = get_entry(entry_id)
    if chosen.is_usable and not chosen.is_guide and not outcome_of(chosen.spec).is_harmless:
        return _asked_first(request, chosen)
    try:
        loading.load(chosen)
    except InferenceError as error:
        return _refusal(request, chosen, error)
    return _changed_row(request, chosen)


@staff_only
@require_POST
def unload(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    chosen = get_entry(entry_id)
    try:
        loading.unload(chosen)
    except InferenceError as error:
        return _refusal(request, chosen, error)
    return _changed_row(request, chosen)


@staff_only
@require_POST
def make_default(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    chosen = get_entry(entry_id)
    if not chosen.is_for_chat:
        return _region(request, status=422)
    catalog.set_default(chosen)
    return _region(request)


@staff_only
@require_POST
def forget(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    """Drop the entry of a file that is gone; one that is there would only be found again, and the
    guide stays Minerva's own."""
    chosen = get_entry(entry_id)
    if not chosen.is_missing or chosen.is_guide:
        return _region(request, status=422)
    chosen.delete()
    return _region(request)


@staff_only
@require_POST
def delete(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    """It leaves the list at once, and can come back for some minutes."""
    chosen = get_entry(entry_id)
    num_bytes = removal.regained_bytes(chosen)
    try:
        removal.remove(chosen)
    except InferenceError as error:
        return _said(_region(request, status=422), str(error), kind="bad")
    except OSError as error:
        return _said(_region(request, status=422), _sentence_of(error), kind="bad")
    undo_url = reverse("models:undelete", args=[chosen.pk])
    text = f"“{chosen.name}” was deleted: {size(num_bytes)}."
    return _said(_region(request), text, undo_url=undo_url)


@staff_only
@require_POST
def undelete(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    chosen = get_object_or_404(CatalogEntry.objects.removed(), pk=entry_id)
    try:
        removal.restore(chosen)
    except InferenceError as error:
        return _said(_region(request, status=422), str(error), kind="bad")
    except OSError as error:
        return _said(_region(request, status=422), _sentence_of(error), kind="bad")
    if not request.htmx:
        return redirect("models:list")
    return trigger_client_event(HttpResponse(status=204), "models-changed")


@staff_only
@require_POST
def rescan(request: HtmxHttpRequest) -> HttpResponse:
    catalog.scan(reread=True)
    return _region(request)


def _asked_first(request: HtmxHttpRequest, chosen: CatalogEntry) -> HttpResponse:
    if not request.htmx:
        return redirect("models:settings", chosen.pk)
    response = settings_views.show(request, chosen, is_panel=True)
    return reswap(retarget(response, f"#{settings_views.PANEL}"), "outerHTML")


def _region(request: HtmxHttpRequest, *, status: int = 200) -> HttpResponse:
    if request.method == "POST" and not request.htmx and status == 200:
        return redirect("models:list")
    template = "models_app/_models.html" if request.htmx else "models_app/list.html"
    return render(request, template, {"region": models_region()}, status=status)


def _said(response: HttpResponse, text: str, **facts: str) -> HttpResponse:
    return trigger_client_event(response, "toast", {"text": text, **facts})


def _sentence_of(error: OSError) -> str:
    return f"The disk refused it: {error.strerror}."


def _changed_row(request: HtmxHttpRequest, chosen: CatalogEntry) -> HttpResponse:
    if not request.htmx:
        return redirect("models:list")
    return render(request, "models_app/_row.html", {"row": model_row(chosen)})


def _refusal(request: HtmxHttpRequest, chosen: CatalogEntry, error: InferenceError) -> HttpResponse:
    status = 503 if isinstance(error, ServiceUnavailable) else 422
    if not request.htmx:
        return _region(request, status=status)
    row = model_row(chosen)
    response = render(request, "models_app/_row.html", {"row": row}, status=status)
    return trigger_client_event(response, "toast", {"text": str(error), "kind": "bad"})
