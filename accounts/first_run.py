"""The first administrator. Until there is one, whoever holds the one-time token may become it.

`serve` writes the token to a file only its user can read, and prints it as part of a link.
"""

from __future__ import annotations

import hmac

from django.conf import settings
from django.db import transaction

from accounts.models import User


class AlreadySetUp(Exception):
    """Somebody was first."""


def administrator_exists() -> bool:
    return User.objects.filter(is_superuser=True).exists()


def is_setup_token(candidate: str) -> bool:
    """False as well when there is none, because it was used."""
    try:
        token = settings.SETUP_TOKEN_FILE.read_text().strip()
    except FileNotFoundError:
        return False
    return bool(token) and hmac.compare_digest(token.encode(), candidate.encode())


def create_administrator(*, username: str, password: str) -> User:
    """Create it and use up the token. Of any number of calls at the same time, one succeeds."""
    user = User(username=username, is_staff=True, is_superuser=True)
    user.set_password(password)  # slow on purpose, so not while the database is locked
    with transaction.atomic():
        if administrator_exists():
            raise AlreadySetUp
        user.save()
    settings.SETUP_TOKEN_FILE.unlink(missing_ok=True)
    return user
