"""What administrators do to people: role, groups, switching an account off and on, a reset link."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.db.models import Max, QuerySet
from django.urls import reverse
from django.utils.encoding import force_bytes, force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from accounts.models import Role, User
from accounts.sessions import end_sessions

logger = logging.getLogger(__name__)


class LastAdministrator(Exception):
    """Nobody could manage this Minerva any more."""

    def __init__(self) -> None:
        super().__init__(
            "There has to be an administrator. Make somebody else administrator first."
        )


def people() -> QuerySet[User]:
    """Everybody, with when they were last seen; two queries with their groups."""
    everybody = User.objects.order_by("-is_active", "username")
    return everybody.annotate(last_seen=Max("sessions__seen_at")).prefetch_related("groups")


def change(person: User, *, role: Role, groups: Iterable[Group], by: User) -> None:
    """Raises LastAdministrator."""
    with transaction.atomic():
        _keep_an_administrator(person, stays=role == Role.ADMINISTRATOR)
        person.role = role
        person.save(update_fields=["is_staff", "is_superuser", "is_viewer"])
        person.groups.set(groups)
    logger.info("person changed user=%s role=%s by=%s", person.pk, role, by.pk)


def deactivate(person: User, *, by: User) -> None:
    """Their chats stay; they are signed out everywhere, and cannot sign in. Raises LastAdministrator."""
    with transaction.atomic():
        _keep_an_administrator(person, stays=False)
        person.is_active = False
        person.save(update_fields=["is_active"])
        end_sessions(person)
    logger.info("person deactivated user=%s by=%s", person.pk, by.pk)


def reactivate(person: User, *, by: User) -> None:
    person.is_active = True
    person.save(update_fields=["is_active"])
    logger.info("person reactivated user=%s by=%s", person.pk, by.pk)


def _keep_an_administrator(person: User, *, stays: bool) -> None:
    """In a transaction, which holds the write lock."""
    others = User.objects.filter(is_staff=True, is_active=True).exclude(pk=person.pk)
    if not stays and person.is_staff and person.is_active and not others.exists():
        raise LastAdministrator


# -- reset of a password --------------------------------------------------------------------------


def reset_path(person: User) -> str:
    """Of a link that works once and for a day: the token signs the password that is replaced."""
    name = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("accounts:reset", args=[name, default_token_generator.make_token(person)])


def person_of_reset(name: str, token: str) -> User | None:
    """None: the link does not work (any more)."""
    try:
        person = User.objects.filter(pk=int(force_str(urlsafe_base64_decode(name)))).first()
    except (ValueError, OverflowError):
        return None
    if person is None or not person.is_active:
        return None
    return person if default_token_generator.check_token(person, token) else None
