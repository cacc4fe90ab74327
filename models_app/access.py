"""Who may see and manage models: staff. Who may use them: everybody who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from accounts.models import User
from models_app.models import CatalogEntry, CatalogEntryQuerySet

P = ParamSpec("P")
Request = TypeVar("Request", bound=HttpRequest)
View = Callable[Concatenate[Request, P], HttpResponse]


def staff_only(view: View[Request, P]) -> View[Request, P]:
    """Others get the page of 403. Nobody signed in: the middleware asks for that first."""

    @wraps(view)
    def checked(request: Request, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not (request.user.is_active and request.user.is_staff):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return checked


def get_entry(entry_id: UUID) -> CatalogEntry:
    """Raises 404."""
    return get_object_or_404(CatalogEntry, pk=entry_id, is_projector=False)


def models_for(user: User) -> CatalogEntryQuerySet:
    """What this person, and a program in their name, may use."""
    return CatalogEntry.objects.usable() if user.is_active else CatalogEntry.objects.none()
