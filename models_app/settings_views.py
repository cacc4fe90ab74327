"""The page of one model's settings, which is its load dialog too: how it is loaded, what that needs
and whom it costs their place, and how it answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from inference.errors import InferenceError, ModelFileInvalid
from models_app import loading
from models_app.access import get_entry, staff_only
from models_app.answering import Answering
from models_app.fit import Fit, fit_of_file, room_here
from models_app.htmx import HtmxHttpRequest
from models_app.loading import LoadState, service_status, status_of
from models_app.models import CatalogEntry
from models_app.outcome import outcome_of
from models_app.settings_form import MEMORY, SPEED, STAYING, SettingsForm
from models_app.tuning import ModelSettings

PANEL = "panel-body"
BODY = "models_app/_settings.html"


@staff_only
@require_http_methods(["GET", "POST"])
def model_settings(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    entry = _tunable(entry_id)
    form = _form(entry, request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return show(request, entry, form, is_panel=request.htmx.target == PANEL)
    form.save()
    changed = CatalogEntry.objects.get(pk=entry.pk)
    try:
        text = _loaded(changed) if "load" in request.POST else _saved(changed)
    except InferenceError as error:
        text = f"Saved, but not loaded. {error}"
    return _done(request, text)


@staff_only
@require_GET
def estimate(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    """What the values that are in the form now would need, and do to others."""
    entry = _tunable(entry_id)
    context = {"entry": entry} | _forecast(entry, _form(entry, request.GET))
    return render(request, "models_app/_estimate.html", context)


@staff_only
@require_POST
def reset(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    entry = _tunable(entry_id)
    ModelSettings.objects.filter(entry=entry).delete()
    return _done(request, f"{entry.name} has the server's settings again.")


def show(
    request: HtmxHttpRequest,
    entry: CatalogEntry,
    form: SettingsForm | None = None,
    *,
    is_panel: bool,
) -> HttpResponse:
    """In the dialog over the page that asked for it, or as a page."""
    form = form or _form(entry, None)
    template = "components/_in_panel.html" if is_panel else "models_app/settings.html"
    groups = {"memory": MEMORY, "speed": SPEED, "staying": STAYING}
    context: dict[str, Any] = {
        name: [form[one] for one in of if one in form.fields] for name, of in groups.items()
    }
    context |= {"entry": entry, "form": form, "is_panel": is_panel, "body": BODY}
    context |= _forecast(entry, form)
    return render(request, template, context, status=422 if form.errors else 200)


def _done(request: HtmxHttpRequest, text: str) -> HttpResponse:
    if request.htmx.target != PANEL:
        messages.success(request, text)
        return redirect("models:list")
    response = HttpResponse(status=204)
    trigger_client_event(response, "panel-close", {})
    trigger_client_event(response, "models-changed", {})
    return trigger_client_event(response, "toast", {"text": text})


def _tunable(entry_id: UUID) -> CatalogEntry:
    """The guide answers as it was trained to, with settings of its own."""
    entry = get_entry(entry_id)
    if not entry.is_usable or entry.is_guide:
        raise Http404
    return entry


def _form(entry: CatalogEntry, data: object) -> SettingsForm:
    behind = Answering(entry.layers[1:])
    return SettingsForm(data, instance=entry.settings, defaults=_defaults(entry), behind=behind)


def _defaults(entry: CatalogEntry) -> dict[str, str]:
    server = settings.CONFIGURATION
    window = min(server.context_window, entry.context_length) or server.context_window
    return {
        "context_window": f"{window:,}" if window else "as memory allows",
        "gpu_layers": str(server.gpu_layers),
        "threads": str(server.threads),
        "max_sequences": str(server.max_sequences),
        "batch_tokens": "512",
        "kv_cache_type": server.kv_cache_type,
        "flash_attention": "where it is faster",
        "idle_unload_minutes": str(server.idle_unload_seconds // 60),
    }


def _forecast(entry: CatalogEntry, form: SettingsForm) -> dict[str, Any]:
    """With what is valid in the form."""
    if form.is_bound:
        form.full_clean()
    own: ModelSettings = form.instance
    return {"fit": _fit(entry, own), "outcome": outcome_of(own.spec_of(entry.bare_spec))}


def _fit(entry: CatalogEntry, own: ModelSettings) -> Fit | None:
    """None: the file cannot be read now, or it is another server's."""
    if entry.is_remote:
        return None
    server = settings.CONFIGURATION
    window = own.context_window or server.context_window or 8192
    try:
        return fit_of_file(
            entry.path,
            context=min(window, entry.context_length),
            kv_cache_type=own.kv_cache_type or server.kv_cache_type,  # type: ignore[arg-type]
            batch_tokens=own.batch_tokens or 512,
            room=room_here(),
        )
    except ModelFileInvalid:
        return None


def _loaded(entry: CatalogEntry) -> str:
    loading.load(entry)
    return f"Saved. {entry.name} is being loaded."


def _saved(entry: CatalogEntry) -> str:
    """How long it stays holds at once; how it is loaded, when it is loaded anew."""
    if status_of(entry, service_status()).state not in (LoadState.READY, LoadState.LOADING):
        return f"Saved, for when {entry.name} is loaded next."
    plan = loading.foresee(entry.spec)
    if plan is None or plan.verdict != "loaded":
        return f"Saved. {entry.name} is loaded anew for the next answer."
    loading.load(entry)
    return "Saved."
