"""The hub's token that an administrator gave on the page: written, never shown again.

It is encrypted with a key that is made of the secret key of the data folder, so that a copy of the
database alone does not give it away.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from models_app.models import HubToken

MAX_LENGTH = 200


def stored_token() -> str:
    """Empty if there is none, or if it was encrypted with another secret key."""
    row = HubToken.objects.first()
    if row is None:
        return ""
    try:
        return _cipher().decrypt(row.secret.encode()).decode()
    except InvalidToken:
        return ""


def store_token(token: str) -> None:
    """In place of the one before."""
    HubToken.objects.update_or_create(
        pk=1, defaults={"secret": _cipher().encrypt(token.encode()).decode()}
    )


def forget_token() -> None:
    HubToken.objects.all().delete()


def is_plausible(token: str) -> bool:
    """One word of visible characters, which is all that a header may hold."""
    return (
        8 <= len(token) <= MAX_LENGTH
        and token.isascii()
        and token.isprintable()
        and " " not in token
    )


def _cipher() -> Fernet:
    key = hashlib.blake2b(
        settings.SECRET_KEY.encode(), digest_size=32, person=b"minerva.hub"
    ).digest()
    return Fernet(base64.urlsafe_b64encode(key))
