"""The only way to a new account after the first run: a link that an administrator hands on.

The link carries 256 random bits, and only their hash is stored: it is shown once.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import timedelta

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Invitation, Role, User

logger = logging.getLogger(__name__)

EXPIRIES = {
    1: "One hour",
    24: "One day",
    24 * 7: "A week",
    24 * 30: "A month",
}


class InvitationRefused(Exception):
    """`str` says to whoever holds the link why it does not work. `is_known`: it once did."""

    def __init__(self, sentence: str, *, is_known: bool = True) -> None:
        super().__init__(sentence)
        self.is_known = is_known


class NameTaken(Exception):
    """Somebody here has this name."""


def invite(
    *, by: User, role: Role, group: Group | None, hours: int, note: str = ""
) -> tuple[Invitation, str]:
    """The invitation, and the token of its link, which is stored nowhere."""
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        token_hash=hash_of(token),
        role=role,
        group=group,
        note=note,
        created_by=by,
        expires_at=timezone.now() + timedelta(hours=hours),
    )
    logger.info("invited by=%s role=%s invitation=%s", by.pk, role, invitation.pk)
    return invitation, token


def find(token: str) -> Invitation:
    """Raises InvitationRefused when nobody can join by it (any more)."""
    invitation = (
        Invitation.objects.select_related("group", "created_by")
        .filter(token_hash=hash_of(token))
        .first()
    )
    if invitation is None:
        raise InvitationRefused(
            "The link is incomplete, or the invitation was withdrawn.", is_known=False
        )
    if invitation.used_at is not None:
        raise InvitationRefused("This invitation was used already; each works once.")
    if invitation.has_expired or not _may_invite(invitation.created_by):
        raise InvitationRefused("This invitation has expired.")
    return invitation


def _may_invite(maker: User) -> bool:
    """As `open` asks it: what an administrator handed on must not outlast the role."""
    return maker.is_active and maker.is_staff


def accept(token: str, *, username: str, password: str) -> User:
    """The new person. Of any number of calls at the same time, one succeeds; the others raise
    InvitationRefused, or NameTaken."""
    user = User(username=username)
    user.set_password(password)  # slow on purpose, so not while the database is locked
    with transaction.atomic():
        invitation = find(token)
        user.role = Role(invitation.role)
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError:
            raise NameTaken from None
        if invitation.group:
            user.groups.add(invitation.group)
        invitation.used_at, invitation.used_by = timezone.now(), user
        invitation.save(update_fields=["used_at", "used_by"])
    logger.info("joined user=%s role=%s invitation=%s", user.pk, user.role, invitation.pk)
    return user


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
