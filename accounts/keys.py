"""API keys: made, found by what a program sends, revoked.

A key is `sk-minerva-ID-SECRET` with 256 random bits in SECRET, so a fast keyed hash of it is enough: there is
nothing to guess. The hash takes the server's secret key, so that the database alone is of no use.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.key_models import ApiKey, Scope
from accounts.models import User

PREFIX = "sk-minerva-"
PUBLIC_BYTES = 4
SECRET_BYTES = 32
MAX_LENGTH = 128
MAX_KEYS = 50
NOTE_USE_SECONDS = 60


class TooManyKeys(Exception):
    """`str` is the sentence for the person."""


@dataclass(frozen=True)
class NewKey:
    """`secret` is the whole key. It is shown once and kept nowhere."""

    key: ApiKey
    secret: str


def create(
    *,
    owner: User,
    name: str,
    scopes: Iterable[Scope | str],
    model_ids: Iterable[UUID] = (),
    lifetime: timedelta | None = None,
    requests_per_minute: int | None = None,
) -> NewKey:
    """Raises TooManyKeys. `lifetime` None: it does not expire."""
    public_id = secrets.token_hex(PUBLIC_BYTES)
    secret = f"{PREFIX}{public_id}-{secrets.token_urlsafe(SECRET_BYTES)}"
    with transaction.atomic():
        if ApiKey.objects.unrevoked().filter(owner=owner).count() >= MAX_KEYS:
            raise TooManyKeys(f"You have {MAX_KEYS} keys. Revoke one that is no longer used.")
        key = ApiKey.objects.create(
            owner=owner,
            name=name,
            public_id=public_id,
            digest=_digest(secret, key=settings.SECRET_KEY),
            scopes=[str(Scope(scope)) for scope in scopes],
            model_ids=[str(model_id) for model_id in model_ids],
            expires_at=timezone.now() + lifetime if lifetime else None,
            requests_per_minute=requests_per_minute,
        )
    return NewKey(key, secret)


def find(secret: str) -> ApiKey | None:
    """The key that this is, valid or not, with its owner; None: it is none."""
    if not secret.startswith(PREFIX) or len(secret) > MAX_LENGTH:
        return None
    public_id = secret.removeprefix(PREFIX).partition("-")[0]
    # There is one at most; `first()` would sort, which takes Django longer than the query.
    found = ApiKey.objects.select_related("owner").filter(public_id=public_id).order_by()
    key = next(iter(found), None)
    return key if key is not None and _matches(key, secret) else None


def note_use(key: ApiKey) -> None:
    """Written at most once a minute."""
    now = timezone.now()
    before = now - timedelta(seconds=NOTE_USE_SECONDS)
    if key.last_used_at is None or key.last_used_at < before:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=before)
        ApiKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=now)


def revoke(key: ApiKey) -> None:
    """From now on it lets nobody in; what runs with it is ended (`still_valid`). Idempotent."""
    ApiKey.objects.unrevoked().filter(pk=key.pk).update(revoked_at=timezone.now())


def still_valid(key_ids: Sequence[UUID]) -> set[UUID]:
    """Which of them were neither revoked nor have expired, and whose owner is not switched off."""
    return set(ApiKey.objects.valid().filter(pk__in=key_ids).values_list("pk", flat=True))


def _matches(key: ApiKey, secret: str) -> bool:
    """Keys of before the server's secret key was changed stay good while the old one is listed."""
    own = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(key.digest, _digest(secret, key=one)) for one in own)


def _digest(secret: str, *, key: str | bytes) -> str:
    return salted_hmac("accounts.keys", secret, secret=key, algorithm="sha256").hexdigest()
