"""The pages that a link leads to: an invitation, or a new password. Nobody is signed in there."""

from __future__ import annotations

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.http import require_http_methods

from accounts import invitations, people, sessions
from accounts.attempts import LINK_ATTEMPTS
from accounts.devices import remember
from accounts.forms import NewPersonForm, ResetForm
from accounts.invitations import InvitationRefused, NameTaken
from accounts.models import Invitation, User

BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    if LINK_ATTEMPTS.are_used_up(request):
        return render(request, "accounts/locked_out.html", {"minutes": 10}, status=429)
    try:
        invitation = invitations.find(token)
        if request.user.is_authenticated:
            return render(request, "accounts/already_here.html", {"invitation": invitation})
        form = NewPersonForm(request.POST or None)
        if form.is_valid():
            return _joined(request, form, token)
    except InvitationRefused as refusal:
        return _refused(request, refusal)
    return _form(request, form, invitation)


def _joined(request: HttpRequest, form: NewPersonForm, token: str) -> HttpResponse:
    username, password = form.cleaned_data["username"], form.cleaned_data["password"]
    try:
        person = invitations.accept(token, username=username, password=password)
    except NameTaken:
        form.add_error("username", "Somebody here has this name. Choose another one.")
        return _form(request, form, invitations.find(token))
    return _signed_in(request, person)


def _form(request: HttpRequest, form: NewPersonForm, invitation: Invitation) -> HttpResponse:
    context = {"form": form, "invitation": invitation}
    return render(request, "accounts/join.html", context, status=422 if form.is_bound else 200)


def _refused(request: HttpRequest, refusal: InvitationRefused) -> HttpResponse:
    if not refusal.is_known:
        LINK_ATTEMPTS.count_failure(request)
    context = {"sentence": str(refusal), "what": "invitation"}
    status = 410 if refusal.is_known else 404
    return render(request, "accounts/link_refused.html", context, status=status)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def reset(request: HttpRequest, name: str, token: str) -> HttpResponse:
    if LINK_ATTEMPTS.are_used_up(request):
        return render(request, "accounts/locked_out.html", {"minutes": 10}, status=429)
    person = people.person_of_reset(name, token)
    if person is None:
        LINK_ATTEMPTS.count_failure(request)
        context = {"sentence": "It was used, is older than a day, or is incomplete."}
        return render(request, "accounts/link_refused.html", context, status=404)
    form = ResetForm(request.POST or None, person=person)
    if form.is_valid():
        return _reset(request, person, form.cleaned_data["password"])
    page = {"form": form, "person": person}
    return render(request, "accounts/reset.html", page, status=422 if form.is_bound else 200)


def _reset(request: HttpRequest, person: User, password: str) -> HttpResponse:
    """Whoever was signed in as this person is not any more."""
    person.set_password(password)
    person.save(update_fields=["password"])
    sessions.end_sessions(person)
    return _signed_in(request, person)


def _signed_in(request: HttpRequest, person: User) -> HttpResponse:
    login(request, person, backend=BACKEND)
    response = redirect(resolve_url("/"))
    remember(request, response, person)
    return response
