"""Whether the session that opened a socket is still good: not ended, the person still active."""

from __future__ import annotations

from typing import Any

from channels.auth import get_user
from django.contrib.sessions.backends.db import SessionStore

from chat.database import in_database


async def is_still_signed_in(scope: dict[str, Any]) -> bool:
    """Reads the session anew: signing out, a changed password and deactivation end it."""
    if not scope["user"].is_authenticated:
        return False
    session = await _load(scope["session"].session_key)
    user = await get_user({**scope, "session": session})
    return bool(user.is_authenticated and user.is_active and user.pk == scope["user"].pk)


@in_database
def _load(key: str | None) -> SessionStore:
    session = SessionStore(session_key=key)
    session.get("_auth_user_id")  # fetches it; a session that has ended comes back empty
    return session
