"""One's own page: name, password, and the browsers that are signed in."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts import sessions
from accounts.forms import NameForm, PasswordForm
from accounts.models import User


class PersonRequest(HttpRequest):
    user: User


@require_GET
def profile(request: PersonRequest) -> HttpResponse:
    return _profile(request)


def _profile(request: PersonRequest, *, status: int = 200, **forms: Any) -> HttpResponse:
    person = User.objects.get(pk=request.user.pk)  # a refused name is not to be shown as theirs
    context = {
        "person": person,
        "sessions": sessions.sessions_of(person),
        "here": request.session.session_key,
        "name_form": NameForm(instance=person),
        "password_form": PasswordForm(person=person),
        **forms,
    }
    return render(request, "accounts/profile.html", context, status=status)


@require_POST
def change_name(request: PersonRequest) -> HttpResponse:
    form = NameForm(request.POST, instance=User.objects.get(pk=request.user.pk))
    if not form.is_valid():
        return _profile(request, name_form=form, status=422)
    form.save()
    messages.success(request, "Saved. Sign in with this name from now on.")
    return redirect("accounts:profile")


@require_POST
def change_password(request: PersonRequest) -> HttpResponse:
    form = PasswordForm(request.POST, person=request.user)
    if not form.is_valid():
        return _profile(request, password_form=form, status=422)
    sessions.change_password(request, request.user, form.cleaned_data["password"])
    messages.success(request, "Saved. Every other browser of yours is signed out.")
    return redirect("accounts:profile")


@require_POST
def end_session(request: PersonRequest, public_id: str) -> HttpResponse:
    ended = sessions.end_session(request.user, public_id)
    messages.success(request, f"{ended.device or 'That browser'} is signed out.")
    return redirect("accounts:profile")


@require_POST
def sign_out_everywhere(request: PersonRequest) -> HttpResponse:
    """This browser too: nothing of this person stays open."""
    sessions.end_sessions(request.user)
    request.session.flush()
    response = redirect("accounts:sign_in")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response
