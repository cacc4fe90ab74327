"""The list of chats in the sidebar: newest first, in groups of days, a page of them at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject, cached_property

from accounts.models import User
from chat.models import Conversation, Share

PAGE_SIZE = 100


@dataclass(frozen=True)
class Group:
    name: str
    conversations: list[Conversation]


@dataclass(frozen=True)
class Sidebar:
    """`older_than` is where the next page begins; None: this is the last one."""

    groups: list[Group]
    older_than: datetime | None
    user: User

    @cached_property
    def has_shared(self) -> bool:
        """Somebody else lets this person read something; a viewer has little else to look at."""
        shared = Share.objects.for_reader(self.user).exclude(conversation__owner=self.user)
        return self.user.is_viewer or shared.exists()


def sidebar(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Nothing is read before a template uses it."""
    # A page that refuses a request early has no user yet.
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    return {"sidebar": SimpleLazyObject(lambda: page_of_chats(user))}


def page_of_chats(user: User, *, older_than: datetime | None = None) -> Sidebar:
    """One query, however many chats there are."""
    chats = Conversation.objects.owned_by(user).listed().order_by("-updated_at")
    if older_than:
        chats = chats.filter(updated_at__lt=older_than)
    found = list(chats.only("id", "title", "updated_at")[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    more = shown[-1].updated_at if len(found) > PAGE_SIZE else None
    return Sidebar(_grouped(shown, today=timezone.localdate()), more, user)


def _grouped(conversations: list[Conversation], *, today: date) -> list[Group]:
    def group_name(conversation: Conversation) -> str:
        return name_of_day(timezone.localdate(conversation.updated_at), today=today)

    return [Group(name, list(members)) for name, members in groupby(conversations, group_name)]


def name_of_day(day: date, *, today: date) -> str:
    if day >= today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    if day >= today - timedelta(days=7):
        return "Previous 7 days"
    return "Older"
