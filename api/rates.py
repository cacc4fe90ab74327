"""How many requests a key makes in a minute: counted in the memory of this process."""

from __future__ import annotations

import time
from collections import deque
from uuid import UUID

from accounts.key_models import ApiKey
from api.errors import ApiError

WINDOW_SECONDS = 60.0

_seen: dict[UUID, deque[float]] = {}


def count(key: ApiKey) -> None:
    """One more request. Raises 429 with the seconds until one is free again."""
    if key.requests_per_minute is None:
        return
    now = time.monotonic()
    times = _seen.setdefault(key.pk, deque())
    while times and times[0] <= now - WINDOW_SECONDS:
        times.popleft()
    if len(times) >= key.requests_per_minute:
        raise ApiError(
            429,
            f"This key may make {key.requests_per_minute:,} requests a minute, and has made them. Wait a "
            "moment.",
            code="rate_limit_exceeded",
            retry_after=times[0] + WINDOW_SECONDS - now,
        )
    times.append(now)


def reset() -> None:
    _seen.clear()
