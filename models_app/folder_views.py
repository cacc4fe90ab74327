"""Folders that are used in place, on the page *My models*: added, and forgotten again."""

from __future__ import annotations

from pathlib import Path

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from inference.errors import InferenceError, InvalidRequest
from models_app import catalog, folders, loading
from models_app.access import staff_only
from models_app.models import CatalogEntry, UsedFolder
from models_app.rows import models_region


@staff_only
@require_POST
def use(request: HttpRequest) -> HttpResponse:
    path = request.POST.get("path", "")
    try:
        folder = folders.add(path)
    except InvalidRequest as error:
        context = {"region": models_region(), "folder_problem": str(error), "folder_path": path}
        return render(request, "models_app/list.html", context, status=422)
    catalog.scan()
    found = len(_entries_in(folder))
    if found:
        models = "model" if found == 1 else "models"
        messages.success(request, f"{found} {models} of {folder} can be used now.")
    else:
        messages.warning(request, f"No model was found in {folder}. It is looked at again.")
    return redirect("models:list")


@staff_only
@require_POST
def forget(request: HttpRequest, folder_id: int) -> HttpResponse:
    """Nothing in it is touched. What is loaded of it leaves the memory."""
    folder = get_object_or_404(UsedFolder, pk=folder_id)
    service = loading.service_status()
    for entry in _entries_in(folder):
        if loading.status_of(entry, service).can_unload:
            _unload(entry)
    folder.delete()
    catalog.scan()
    messages.success(request, f"{folder} is not used any more. Nothing in it was changed.")
    return redirect("models:list")


def _unload(entry: CatalogEntry) -> None:
    """If the service is gone, so is what it had loaded."""
    try:
        loading.unload(entry)
    except InferenceError:
        return


def _entries_in(folder: UsedFolder) -> list[CatalogEntry]:
    present = CatalogEntry.objects.present()
    return [one for one in present if Path(one.path).is_relative_to(folder.path)]
