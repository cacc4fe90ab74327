"""How long a session lasts: so many days in all, and so many hours without a request."""

from __future__ import annotations

import time

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

STARTED_AT = "started_at"
SEEN_AT = "seen_at"
TOUCH_SECONDS = 300


def is_over(session: SessionBase, *, now: float | None = None) -> bool:
    """A session of somebody signed in that is too old, or was left alone for too long."""
    now = time.time() if now is None else now
    if SESSION_KEY not in session:
        return False
    age = now - session.get(STARTED_AT, now)
    idle = now - session.get(SEEN_AT, now)
    return bool(age > settings.SESSION_COOKIE_AGE or idle > settings.SESSION_IDLE_SECONDS)


def touch(session: SessionBase, *, now: float | None = None) -> None:
    """Note that it is in use, but write that down at most every five minutes."""
    now = time.time() if now is None else now
    if SESSION_KEY not in session:
        return
    if STARTED_AT not in session:
        session[STARTED_AT] = now
    if now - session.get(SEEN_AT, 0) > TOUCH_SECONDS:
        session[SEEN_AT] = now
