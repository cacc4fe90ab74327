"""The page of one model's settings: how it is loaded, how it answers, and what that needs."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inference.errors import ModelFileInvalid
from inference.types import SamplingParams
from models_app.access import get_entry, staff_only
from models_app.fit import Fit, fit_of_file, room_here
from models_app.loading import LoadState, service_status, status_of
from models_app.models import CatalogEntry
from models_app.settings_form import SettingsForm
from models_app.tuning import SAMPLING, ModelSettings


@staff_only
@require_http_methods(["GET", "POST"])
def model_settings(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    entry = _tunable(entry_id)
    form = _form(entry, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _saved(entry))
        return redirect("models:list")
    context = {"entry": entry, "form": form, "fit": _fit(entry, form)}
    return render(request, "models_app/settings.html", context, status=422 if form.errors else 200)


@staff_only
@require_GET
def estimate(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """What the values that are in the form now would need."""
    entry = _tunable(entry_id)
    context = {"entry": entry, "fit": _fit(entry, _form(entry, request.GET))}
    return render(request, "models_app/_estimate.html", context)


@staff_only
@require_POST
def reset(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    entry = _tunable(entry_id)
    ModelSettings.objects.filter(entry=entry).delete()
    messages.success(request, f"{entry.name} has the server's settings again.")
    return redirect("models:list")


def _tunable(entry_id: UUID) -> CatalogEntry:
    """The guide answers as it was trained to, with settings of its own."""
    entry = get_entry(entry_id)
    if not entry.is_usable or entry.is_guide:
        raise Http404
    return entry


def _form(entry: CatalogEntry, data: object) -> SettingsForm:
    return SettingsForm(data, instance=entry.settings, defaults=_defaults(entry))


def _defaults(entry: CatalogEntry) -> dict[str, str]:
    server = settings.CONFIGURATION
    sampling = SamplingParams()
    window = min(server.context_window, entry.context_length) or server.context_window
    return {
        "context_window": f"{window:,}" if window else "as memory allows",
        "gpu_layers": str(server.gpu_layers),
        "threads": str(server.threads),
        "max_sequences": str(server.max_sequences),
        "kv_cache_type": server.kv_cache_type,
        "idle_unload_minutes": str(server.idle_unload_seconds // 60),
        **{name: str(getattr(sampling, name) or "to the end of the window") for name in SAMPLING},
    }


def _fit(entry: CatalogEntry, form: SettingsForm) -> Fit | None:
    """With what is valid in the form; None: the file cannot be read now."""
    server = settings.CONFIGURATION
    if form.is_bound:
        form.full_clean()
        values = form.cleaned_data
    else:
        values = {name: getattr(form.instance, name) for name in form.fields}
    window = values.get("context_window") or server.context_window or 8192
    try:
        return fit_of_file(
            entry.path,
            context=min(window, entry.context_length),
            kv_cache_type=values.get("kv_cache_type") or server.kv_cache_type,
            room=room_here(),
        )
    except ModelFileInvalid:
        return None


def _saved(entry: CatalogEntry) -> str:
    state = status_of(entry, service_status()).state
    if state in (LoadState.READY, LoadState.LOADING):
        return f"Saved. {entry.name} is loaded anew for the next answer."
    return f"Saved, for when {entry.name} is loaded next."
