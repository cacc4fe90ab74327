"""Links for other people: with an address under which they reach this Minerva."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def absolute(request: HttpRequest, path: str) -> str:
    """With the name that the administrator used, unless only this machine goes by it."""
    name = request.get_host().rpartition(":")[0] or request.get_host()
    if name in LOOPBACK_NAMES and settings.SHARED_URLS:
        return f"{settings.SHARED_URLS[0]}{path}"
    return request.build_absolute_uri(path)


def is_for_this_machine_only(link: str) -> bool:
    return any(link.split("://")[1].startswith(name) for name in LOOPBACK_NAMES)
