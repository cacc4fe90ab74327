"""Whether the session that opened a socket is still good: not ended, the person still active."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from accounts.models import Session
from accounts.sessions import is_good
from chat.database import in_database


async def is_still_signed_in(scope: dict[str, Any]) -> bool:
    """Reads the session anew: signing out, a changed password and deactivation end it."""
    user = scope["user"]
    if not user.is_authenticated:
        return False
    return await _is_good(scope["session"].session_key, user.pk)


@in_database
def _is_good(key: str | None, user_id: int) -> bool:
    """One query: every open page asks this again and again."""
    live = Session.objects.filter(session_key=key, user_id=user_id, expire_date__gt=timezone.now())
    session = live.select_related("user").first()
    return session is not None and is_good(session)
