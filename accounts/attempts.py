"""A cap on how often one address may fail at something."""

from __future__ import annotations

from django.core.cache import cache
from django.http import HttpRequest


class Attempts:
    """Failures of `purpose`: at most `limit` in `seconds` from one address, counted in memory."""

    def __init__(self, purpose: str, *, limit: int, seconds: int) -> None:
        self._purpose = purpose
        self._limit = limit
        self._seconds = seconds

    def are_used_up(self, request: HttpRequest) -> bool:
        return bool(cache.get(self._key(request), 0) >= self._limit)

    def count_failure(self, request: HttpRequest) -> None:
        key = self._key(request)
        cache.add(key, 0, self._seconds)
        try:
            cache.incr(key)
        except ValueError:
            cache.set(key, 1, self._seconds)  # it ended between the two calls

    def _key(self, request: HttpRequest) -> str:
        return f"attempts:{self._purpose}:{request.META.get('REMOTE_ADDR', '')}"


SETUP_ATTEMPTS = Attempts("setup", limit=5, seconds=3600)
SIGN_IN_ATTEMPTS = Attempts("sign-in", limit=10, seconds=60)
