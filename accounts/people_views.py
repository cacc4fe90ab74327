"""The administrators' pages of people, groups and invitations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import Group
from django.db.models import Count, ProtectedError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import people, sessions
from accounts.access import get_person, staff_only
from accounts.forms import GroupForm, InvitationForm, PersonForm
from accounts.invitations import invite
from accounts.links import absolute, is_for_this_machine_only
from accounts.models import Invitation, User
from accounts.people import LastAdministrator
from accounts.qr import qr_code


class StaffRequest(HttpRequest):
    user: User


@staff_only
@require_GET
def people_page(request: StaffRequest) -> HttpResponse:
    return _people(request)


def _people(request: StaffRequest, *, status: int = 200, **forms: Any) -> HttpResponse:
    context = {
        "people": people.people(),
        "invitations": Invitation.objects.open().select_related("group"),
        "groups": Group.objects.annotate(num_people=Count("user")).order_by("name"),
        "invitation_form": InvitationForm(),
        "group_form": GroupForm(),
        **forms,
    }
    return render(request, "accounts/people.html", context, status=status)


@staff_only
@require_POST
def make_invitation(request: StaffRequest) -> HttpResponse:
    """Answers with the link itself: it is shown this once."""
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _people(request, invitation_form=form, status=422)
    invitation, token = invite(by=request.user, **form.cleaned_data)
    link = absolute(request, reverse("accounts:join", args=[token]))
    context = {"invitation": invitation, **_handed(link)}
    return render(request, "accounts/invitation.html", context)


@staff_only
@require_POST
def withdraw_invitation(request: StaffRequest, invitation_id: UUID) -> HttpResponse:
    get_object_or_404(Invitation.objects.open(), pk=invitation_id).delete()
    messages.success(request, "The invitation was withdrawn. Its link does not work any more.")
    return redirect("accounts:people")


@staff_only
@require_http_methods(["GET", "POST"])
def person_page(request: StaffRequest, user_id: int) -> HttpResponse:
    person = get_person(user_id)
    initial = {"role": person.role, "groups": person.groups.all()}
    form = PersonForm(request.POST or None, initial=initial)
    if form.is_valid():
        try:
            people.change(person, **form.cleaned_data, by=request.user)
        except LastAdministrator as refusal:
            form.add_error("role", str(refusal))
        else:
            messages.success(request, f"{person} was changed.")
            return redirect("accounts:people")
    context = {"person": person, "form": form, "num_sessions": len(sessions.sessions_of(person))}
    status = 422 if form.is_bound else 200
    return render(request, "accounts/person.html", context, status=status)


@staff_only
@require_POST
def deactivate(request: StaffRequest, user_id: int) -> HttpResponse:
    person = get_person(user_id)
    try:
        people.deactivate(person, by=request.user)
    except LastAdministrator as refusal:
        messages.error(request, str(refusal))
        return redirect("accounts:person", user_id)
    messages.success(request, f"{person} is signed out everywhere, and cannot sign in.")
    return redirect("accounts:people")


@staff_only
@require_POST
def reactivate(request: StaffRequest, user_id: int) -> HttpResponse:
    person = get_person(user_id)
    people.reactivate(person, by=request.user)
    messages.success(request, f"{person} can sign in again.")
    return redirect("accounts:people")


@staff_only
@require_POST
def sign_out_person(request: StaffRequest, user_id: int) -> HttpResponse:
    person = get_person(user_id)
    sessions.end_sessions(person)
    messages.success(request, f"{person} is signed out everywhere.")
    return redirect("accounts:person", user_id)


@staff_only
@require_POST
def reset_link(request: StaffRequest, user_id: int) -> HttpResponse:
    """Answers with the link itself, which works once and for a day."""
    person = get_person(user_id)
    if not person.is_active:
        messages.error(request, f"{person} is switched off. Switch the account on first.")
        return redirect("accounts:person", user_id)
    link = absolute(request, people.reset_path(person))
    context = {"person": person, **_handed(link)}
    return render(request, "accounts/reset_link.html", context)


def _handed(link: str) -> dict[str, Any]:
    return {"link": link, "qr": qr_code(link), "is_local": is_for_this_machine_only(link)}


@staff_only
@require_POST
def make_group(request: StaffRequest) -> HttpResponse:
    form = GroupForm(request.POST)
    if not form.is_valid():
        return _people(request, group_form=form, status=422)
    form.save()
    return redirect("accounts:people")


@staff_only
@require_POST
def delete_group(request: StaffRequest, group_id: int) -> HttpResponse:
    """What was granted to it alone must not be everybody's by its end."""
    group = get_object_or_404(Group, pk=group_id)
    try:
        group.delete()
    except ProtectedError:
        messages.error(
            request, f"There are models that only {group} may use. Take it from them first."
        )
    else:
        messages.success(request, f"The group {group} was deleted. Its people stay.")
    return redirect("accounts:people")
