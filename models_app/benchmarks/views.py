"""The page of a model's benchmarks and its buttons. While one is measured, it asks for itself; 286 ends
that."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HTMX_STOP_POLLING, trigger_client_event
from django_htmx.middleware import HtmxDetails

from models_app.access import get_entry, staff_only
from models_app.benchmarks import states
from models_app.benchmarks.overview import overview_of
from models_app.benchmarks.record import Benchmark
from models_app.models import CatalogEntry
from models_app.tasks import run_benchmarks


class HtmxHttpRequest(HttpRequest):
    htmx: HtmxDetails


@staff_only
@require_GET
def benchmark(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    states.interrupt_expired()
    overview = overview_of(_measurable(entry_id))
    if not request.htmx:
        return render(request, "models_app/benchmark.html", {"overview": overview})
    status = 200 if overview.active else HTMX_STOP_POLLING
    return render(request, "models_app/_benchmark.html", {"overview": overview}, status=status)


@staff_only
@require_POST
def start(request: HtmxHttpRequest, entry_id: UUID) -> HttpResponse:
    entry = _measurable(entry_id)
    states.request(entry)
    run_benchmarks()
    return _region(request, entry)


@staff_only
@require_POST
def cancel(request: HtmxHttpRequest, benchmark_id: UUID) -> HttpResponse:
    chosen = get_object_or_404(Benchmark.objects.select_related("entry"), pk=benchmark_id)
    is_changed = states.cancel(chosen.pk)
    response = _region(request, chosen.entry)
    if not is_changed and request.htmx:
        text = "It has ended in the meantime."
        return trigger_client_event(response, "toast", {"text": text, "kind": "warn"})
    return response


def _measurable(entry_id: UUID) -> CatalogEntry:
    entry = get_entry(entry_id)
    if not entry.is_usable or entry.is_remote:
        raise Http404
    return entry


def _region(request: HtmxHttpRequest, entry: CatalogEntry) -> HttpResponse:
    if not request.htmx:
        return redirect("models:benchmark", entry.pk)
    return render(request, "models_app/_benchmark.html", {"overview": overview_of(entry)})
