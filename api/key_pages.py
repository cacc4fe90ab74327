"""The page of one's own API keys: made, shown once, revoked."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from accounts import keys
from accounts.key_models import ApiKey
from accounts.keys import NewKey, TooManyKeys
from api.key_form import KeyForm
from models_app import catalog
from models_app.access import models_for
from models_app.models import CatalogEntry
from models_app.naming import DEFAULT, api_names


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("new")
def key_list(request: HttpRequest) -> HttpResponse:
    assert request.user.is_authenticated
    form = KeyForm(request.POST or None, owner=request.user)
    new = _created(form) if form.is_valid() else None
    if new is not None:
        form = KeyForm(owner=request.user)
    context = {"form": form, "new": new, **_listed(request), **_snippets(request)}
    return render(request, "api/keys.html", context, status=422 if form.errors else 200)


@require_POST
def revoke_key(request: HttpRequest, key_id: UUID) -> HttpResponse:
    assert request.user.is_authenticated
    key = get_object_or_404(ApiKey.objects.unrevoked(), pk=key_id, owner=request.user)
    keys.revoke(key)
    messages.success(request, f"The key {key.name} is revoked. Nothing gets in with it any more.")
    return redirect("api_pages:keys")


def _created(form: KeyForm) -> NewKey | None:
    try:
        return form.create()
    except TooManyKeys as error:
        form.add_error(None, str(error))
        return None


def _listed(request: HttpRequest) -> dict[str, object]:
    assert request.user.is_authenticated
    entries = models_for(request.user)
    names = {str(entry.pk): name for name, entry in api_names(entries).items()}
    rows = [
        {"key": key, "models": [names.get(one, "a model that is gone") for one in key.model_ids]}
        for key in ApiKey.objects.unrevoked().filter(owner=request.user).select_related("owner")
    ]
    return {"rows": rows}


def _snippets(request: HttpRequest) -> dict[str, str]:
    """Where a program finds us, and a model that it may name."""
    return {"base_url": request.build_absolute_uri("/v1"), "model": _example(request)}


def _example(request: HttpRequest) -> str:
    assert request.user.is_authenticated
    default: CatalogEntry | None = catalog.default_entry()
    names = api_names(models_for(request.user))
    return next((name for name, entry in names.items() if entry == default), DEFAULT)
