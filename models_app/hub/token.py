"""The hub's token that an administrator gave on the page: written, never shown again."""

from __future__ import annotations

from models_app.models import HubToken
from models_app.sealing import seal, unseal

MAX_LENGTH = 200
PURPOSE = b"minerva.hub"


def stored_token() -> str:
    """Empty if there is none, or if it was encrypted with another secret key."""
    row = HubToken.objects.first()
    return unseal(row.secret, purpose=PURPOSE) if row else ""


def store_token(token: str) -> None:
    """In place of the one before."""
    HubToken.objects.update_or_create(pk=1, defaults={"secret": seal(token, purpose=PURPOSE)})


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
