"""The pages of the first run and of signing in and out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from accounts.attempts import SETUP_ATTEMPTS, SIGN_IN_ATTEMPTS
from accounts.devices import KNOWN_DEVICE_ATTEMPTS, NAME_ATTEMPTS, known_device, remember
from accounts.first_run import (
    AlreadySetUp,
    administrator_exists,
    create_administrator,
    is_setup_token,
)
from accounts.forms import NewPersonForm, SignInForm
from accounts.models import User

BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    if administrator_exists():
        return render(request, "accounts/already_set_up.html", status=410)
    if SETUP_ATTEMPTS.are_used_up(request):
        return render(request, "accounts/locked_out.html", {"minutes": 60}, status=429)
    token = request.POST.get("token") or request.GET.get("token", "")
    if not is_setup_token(token):
        return _refuse_token(request, token)
    form = NewPersonForm(request.POST or None)
    if form.is_valid():
        return _set_up(request, form)
    context = {"form": form, "token": token}
    return render(request, "accounts/setup.html", context, status=422 if form.is_bound else 200)


def _refuse_token(request: HttpRequest, token: str) -> HttpResponse:
    if token:
        SETUP_ATTEMPTS.count_failure(request)
    return render(request, "accounts/not_set_up.html", {"is_refused": bool(token)}, status=403)


def _set_up(request: HttpRequest, form: NewPersonForm) -> HttpResponse:
    try:
        user = create_administrator(
            username=form.cleaned_data["username"], password=form.cleaned_data["password"]
        )
    except AlreadySetUp:
        return render(request, "accounts/already_set_up.html", status=410)
    login(request, user, backend=BACKEND)
    response = redirect(resolve_url("/"))
    remember(request, response, user)
    return response


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    target = _safe_target(request)
    if request.user.is_authenticated:
        return HttpResponseRedirect(target)
    username = request.POST.get("username", "")[:150]
    known = known_device(request, username) if username else None
    if _may_not_try(request, username, known):
        return locked_out(request)
    form = SignInForm(request, request.POST or None)
    if form.is_valid():
        return _signed_in(request, form.get_user(), target, known)
    if form.is_bound:
        _count_failure(request, username, known)
    context = {"form": form, "next": target}
    return render(request, "accounts/sign_in.html", context, status=422 if form.is_bound else 200)


def _may_not_try(request: HttpRequest, username: str, known: str | None) -> bool:
    """A known device is counted by itself. To look at the page is no try."""
    if request.method != "POST":
        return False
    if known:
        return KNOWN_DEVICE_ATTEMPTS.are_used_up(request, who=known)
    return SIGN_IN_ATTEMPTS.are_used_up(request) or NAME_ATTEMPTS.are_used_up(request, who=username)


def _count_failure(request: HttpRequest, username: str, known: str | None) -> None:
    if known:
        KNOWN_DEVICE_ATTEMPTS.count_failure(request, who=known)
        return
    SIGN_IN_ATTEMPTS.count_failure(request)
    if username:
        NAME_ATTEMPTS.count_failure(request, who=username)


def _signed_in(request: HttpRequest, person: User, target: str, known: str | None) -> HttpResponse:
    login(request, person)
    if known:
        KNOWN_DEVICE_ATTEMPTS.forget(request, who=known)
    response: HttpResponse = HttpResponseRedirect(target)
    remember(request, response, person)
    return response


def _safe_target(request: HttpRequest) -> str:
    """Where `next` points, if that is the path of a page of ours."""
    target = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours and target.startswith("/") else "/"


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    response = redirect("accounts:sign_in")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def locked_out(request: HttpRequest, *args: Any) -> HttpResponse:
    """What django-axes answers with once there were too many failures for one name."""
    return render(request, "accounts/locked_out.html", {"minutes": 5}, status=429)
