"""A cap on how often one address, or whatever else is named, may fail at something."""

from __future__ import annotations

from hashlib import blake2s

from django.core.cache import cache
from django.http import HttpRequest


class Attempts:
    """Failures of `purpose`: at most `limit` in `seconds` from one address (or of one `who`),
    counted in memory."""

    def __init__(self, purpose: str, *, limit: int, seconds: int) -> None:
        self._purpose = purpose
        self._limit = limit
        self._seconds = seconds

    def are_used_up(self, request: HttpRequest, *, who: str = "") -> bool:
        return bool(cache.get(self._key(request, who), 0) >= self._limit)

    def count_failure(self, request: HttpRequest, *, who: str = "") -> None:
        key = self._key(request, who)
        cache.add(key, 0, self._seconds)
        try:
            cache.incr(key)
        except ValueError:
            cache.set(key, 1, self._seconds)  # it ended between the two calls

    def forget(self, request: HttpRequest, *, who: str = "") -> None:
        cache.delete(self._key(request, who))

    def _key(self, request: HttpRequest, who: str) -> str:
        """Hashed: a name may hold what a cache's key may not."""
        of = who or request.META.get("REMOTE_ADDR", "")
        name = blake2s(of.encode(errors="replace")).hexdigest()
        return f"attempts:{self._purpose}:{name}"


SETUP_ATTEMPTS = Attempts("setup", limit=5, seconds=3600)
LINK_ATTEMPTS = Attempts("link", limit=10, seconds=600)
SIGN_IN_ATTEMPTS = Attempts("sign-in", limit=10, seconds=60)
