"""Who may do what: a look at the person who asks, before anything else is looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from accounts.models import User

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


def must_generate(user: User) -> None:
    """Raises PermissionDenied for a viewer: they read, and start nothing."""
    if not user.can_generate:
        raise PermissionDenied


def get_person(user_id: int) -> User:
    """Raises 404."""
    return get_object_or_404(User, pk=user_id)
