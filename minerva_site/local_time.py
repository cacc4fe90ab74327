"""Times as the clock of whoever looks shows them: their browser says in a cookie where it is.

Without the cookie, on the first page of a browser and for programs, times are in UTC.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

COOKIE = "minerva_timezone"
MAX_NAME = 64


class LocalTimeMiddleware:
    """Async or sync as the server is."""

    async_capable = True
    sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._answer_async(request)
        with timezone.override(zone_of(request)):
            response: HttpResponseBase = self.get_response(request)
        return response

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(zone_of(request)):
            response: HttpResponseBase = await self.get_response(request)
        return response


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """None: as the settings have it. A cookie is whatever a browser sent."""
    return _zone(request.COOKIES.get(COOKIE, "")[:MAX_NAME])


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, KeyError):  # no path, no folder, no such zone
        return None
