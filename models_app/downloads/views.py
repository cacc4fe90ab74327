"""The page *Downloads* and its buttons. A list that changes asks for itself; 286 ends that."""

from __future__ import annotations

import re
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HTMX_STOP_POLLING, trigger_client_event

from models_app.access import staff_only
from models_app.downloads import states, storage
from models_app.downloads.overview import downloads_shown
from models_app.downloads.resolving import file_name_of
from models_app.htmx import HtmxHttpRequest
from models_app.hub.errors import NotFound
from models_app.hub.reference import is_repository
from models_app.models import Download
from models_app.tasks import run_downloads

SHA256 = re.compile(r"[0-9a-fA-F]{64}")
MAX_ADDRESS = 1900


@staff_only
@require_GET
def downloads(request: HtmxHttpRequest) -> HttpResponse:
    shown = downloads_shown()
    if not request.htmx:
        return render(request, "models_app/downloads.html", {"downloads": shown})
    status = 200 if shown.is_changing else HTMX_STOP_POLLING
    return render(request, "models_app/_downloads.html", {"downloads": shown}, status=status)


@staff_only
@require_GET
def tray(request: HtmxHttpRequest) -> HttpResponse:
    """What the context of every page has, on its own."""
    return render(request, "models_app/_tray.html")


@staff_only
@require_POST
def start(request: HtmxHttpRequest) -> HttpResponse:
    """Of a repository's variant."""
    repository, variant = request.POST.get("repository", ""), request.POST.get("variant", "")
    if not is_repository(repository) or not 0 < len(variant) <= 255:
        raise Http404
    with_projector = request.POST.get("with_projector") == "on"
    states.request(repository=repository, variant=variant, with_projector=with_projector)
    run_downloads()
    return redirect("models:downloads")


@staff_only
@require_POST
def start_address(request: HtmxHttpRequest) -> HttpResponse:
    """Of a plain address, with the checksum that somebody trusts."""
    address = request.POST.get("address", "").strip()
    checksum = request.POST.get("sha256", "").strip()
    problem = _problem_of(address, checksum)
    if problem:
        given = {"problem": problem, "address": address, "sha256": checksum}
        context = {**given, "downloads": downloads_shown()}
        return render(request, "models_app/downloads.html", context, status=422)
    states.request(url=f"{address}#sha256:{checksum.lower()}")
    run_downloads()
    return redirect("models:downloads")


@staff_only
@require_POST
def pause(request: HtmxHttpRequest, download_id: UUID) -> HttpResponse:
    return _changed(request, states.pause(_known(download_id)))


@staff_only
@require_POST
def go_on(request: HtmxHttpRequest, download_id: UUID) -> HttpResponse:
    is_changed = states.go_on(_known(download_id))
    run_downloads()
    return _changed(request, is_changed)


@staff_only
@require_POST
def cancel(request: HtmxHttpRequest, download_id: UUID) -> HttpResponse:
    """What came of it is removed, here or by the worker as soon as it notices."""
    is_changed = states.cancel(_known(download_id))
    if is_changed:
        storage.remove_parts(download_id)
    return _changed(request, is_changed)


@staff_only
@require_POST
def clear(request: HtmxHttpRequest, download_id: UUID) -> HttpResponse:
    """Take one that is ready off the list; the model stays."""
    Download.objects.filter(pk=_known(download_id), state="ready").delete()
    return _changed(request, True)


def _known(download_id: UUID) -> UUID:
    if not Download.objects.filter(pk=download_id).exists():
        raise Http404
    return download_id


def _changed(request: HtmxHttpRequest, is_changed: bool) -> HttpResponse:
    if not request.htmx:
        return redirect("models:downloads")
    shown = downloads_shown()
    response = render(request, "models_app/_downloads.html", {"downloads": shown})
    if not is_changed:
        text = "It has changed in the meantime."
        return trigger_client_event(response, "toast", {"text": text, "kind": "warn"})
    return response


def _problem_of(address: str, checksum: str) -> str:
    if not re.match(r"https?://[^/\s]+/\S+", address) or len(address) > MAX_ADDRESS:
        return "Give an address that begins with https:// and ends in a file's name."
    if "#" in address:
        return "Give the address without “#” and what follows it."
    if not SHA256.fullmatch(checksum):
        return "Give the SHA-256 of the file: 64 digits and letters from a to f."
    try:
        file_name_of(address)
    except NotFound as error:
        return str(error)
    return ""
