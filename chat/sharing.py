"""A chat that others may read: its owner says who, and takes it back whenever they like.

The only other way to a conversation than through its owner (see `access`). A reader changes nothing.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from chat import access, transcript
from chat.models import Share


class PersonRequest(HttpRequest):
    user: User


class ShareForm(forms.Form):
    """Groups that the owner is in: others are none of their business. The one that reads it now stays, also
    when its owner has left that group."""

    group = forms.ModelChoiceField(
        Group.objects.none(),
        required=False,
        label="Who may read it",
        empty_label="Everybody with an account here",
    )

    def __init__(self, *args: Any, owner: User, share: Share | None, **kwargs: Any) -> None:
        current = share.group_id if share else None
        super().__init__(*args, **kwargs)
        self.initial["group"] = current
        group = self.fields["group"]
        assert isinstance(group, forms.ModelChoiceField)
        group.queryset = groups_of(owner, current)


def groups_of(user: User, current: int | None) -> QuerySet[Group]:
    groups = Group.objects.order_by("name")
    return groups if user.is_staff else groups.filter(Q(user=user) | Q(pk=current)).distinct()


def get_share(user: User, share_id: UUID) -> Share:
    """Raises 404, also when there is one that this person may not read."""
    readable = Share.objects.for_reader(user).select_related("conversation__owner", "group")
    return get_object_or_404(readable, pk=share_id)


@require_http_methods(["GET", "POST"])
def share(request: PersonRequest, conversation_id: UUID) -> HttpResponse:
    conversation = access.get_conversation(request.user, conversation_id)
    shared = Share.objects.filter(conversation=conversation).select_related("group").first()
    form = ShareForm(
        request.POST if request.method == "POST" else None, owner=request.user, share=shared
    )
    if form.is_bound and form.is_valid():
        Share.objects.update_or_create(conversation=conversation, defaults=form.cleaned_data)
        messages.success(request, "Shared. They find it under “Shared with you”.")
        return redirect("chat:share", conversation_id)
    context = {"conversation": conversation, "share": shared, "form": form}
    return render(request, "chat/share.html", context, status=422 if form.errors else 200)


@require_POST
def unshare(request: PersonRequest, conversation_id: UUID) -> HttpResponse:
    conversation = access.get_conversation(request.user, conversation_id)
    Share.objects.filter(conversation=conversation).delete()
    messages.success(request, "Nobody else can read it any more.")
    return redirect("chat:share", conversation_id)


@require_GET
def shared_chats(request: PersonRequest) -> HttpResponse:
    shares = Share.objects.for_reader(request.user).exclude(conversation__owner=request.user)
    context = {"shares": shares.select_related("conversation__owner", "group")[:500]}
    return render(request, "chat/shared_chats.html", context)


@require_GET
def shared_chat(request: PersonRequest, share_id: UUID) -> HttpResponse:
    found = get_share(request.user, share_id)
    context = {"share": found, "path": transcript.path_of(found.conversation)}
    return render(request, "chat/shared_chat.html", context)
