"""The one HTTP client of this process: making one costs some 20 ms for its certificates."""

from __future__ import annotations

from functools import cache

import httpx2

CONNECT_SECONDS = 10.0
READ_SECONDS = 15.0


@cache
def client() -> httpx2.Client:
    """For any thread. It follows no redirect: each is looked at by who asked."""
    timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    return httpx2.Client(timeout=timeout, follow_redirects=False)
