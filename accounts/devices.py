"""Browsers that somebody has signed in with before. Each holds a signed cookie that says as whom.

Guessing at a name locks it: for the address that guesses, and after more guesses for every browser
that was never signed in with it. Its owner's own browser is known, and is counted by itself: so
nobody can lock a person out by guessing, and a thief of the cookie gets no more guesses than others.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from accounts.attempts import Attempts
from accounts.models import User

SALT = "accounts.devices"
MAX_AGE = 400 * 24 * 3600  # as long as browsers keep any cookie
MAX_PEOPLE = 8

KNOWN_DEVICE_ATTEMPTS = Attempts("known-device", limit=10, seconds=300)
NAME_ATTEMPTS = Attempts("name", limit=20, seconds=300)


def remember(request: HttpRequest, response: HttpResponse, person: User) -> None:
    """After a sign-in."""
    device, people = _read(request)
    people = [person.pk, *(pk for pk in people if pk != person.pk)][:MAX_PEOPLE]
    response.set_cookie(
        settings.DEVICE_COOKIE_NAME,
        signing.dumps({"device": device or secrets.token_hex(8), "people": people}, salt=SALT),
        max_age=MAX_AGE,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure(),
    )


def known_device(request: HttpRequest, username: str) -> str | None:
    """Names this browser, if the person of that name has signed in with it before."""
    device, people = _read(request)
    if device is None or not User.objects.filter(username=username, pk__in=people).exists():
        return None
    return f"{device}:{username}"


def is_exempt(request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
    """What django-axes asks: it counts nothing from a known device."""
    username = (credentials or {}).get("username") or request.POST.get("username", "")
    return known_device(request, username) is not None


def _read(request: HttpRequest) -> tuple[str | None, list[int]]:
    try:
        said = signing.loads(
            request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=MAX_AGE
        )
    except signing.BadSignature:
        return None, []
    return said["device"], said["people"]
