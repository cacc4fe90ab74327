"""Secrets that an administrator gave on a page, as the database keeps them.

Each is encrypted with a key that is made of the secret key of the data folder, so that a copy of the
database alone does not give it away.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


def seal(secret: str, *, purpose: bytes) -> str:
    """`purpose`: up to 16 bytes. What was sealed for one is not opened for another."""
    return _cipher(purpose).encrypt(secret.encode()).decode()


def unseal(sealed: str, *, purpose: bytes) -> str:
    """Empty if there is none, or if it was encrypted with another secret key."""
    try:
        return _cipher(purpose).decrypt(sealed.encode()).decode() if sealed else ""
    except InvalidToken:
        return ""


def _cipher(purpose: bytes) -> Fernet:
    key = hashlib.blake2b(settings.SECRET_KEY.encode(), digest_size=32, person=purpose).digest()
    return Fernet(base64.urlsafe_b64encode(key))
