"""Sessions: how long one lasts, which device it is on, and ending them.

One lasts so many days in all, and so many hours without a request.
"""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, update_session_auth_hash
from django.contrib.sessions.backends.base import SessionBase
from django.http import Http404, HttpRequest
from django.utils import timezone

from accounts.models import Session, User

STARTED_AT = "started_at"
SEEN_AT = "seen_at"
DEVICE = "device"
ADDRESS = "address"
TOUCH_SECONDS = 300

# The first that a user agent contains; most of them name their forebears as well.
BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "Chrome": "Chrome",
    "CriOS": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS": "Mac",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


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


def note_device(request: HttpRequest, **kwargs: Any) -> None:
    """Receives Django's signal of a sign-in."""
    request.session[DEVICE] = device_name(request.META.get("HTTP_USER_AGENT", ""))
    request.session[ADDRESS] = request.META.get("REMOTE_ADDR", "")[:64]
    request.session[STARTED_AT] = request.session[SEEN_AT] = time.time()


def device_name(user_agent: str) -> str:
    """ "Firefox on Linux": enough for its owner to recognise it."""
    browser = next((name for word, name in BROWSERS.items() if word in user_agent), "A browser")
    system = next((name for word, name in SYSTEMS.items() if word in user_agent), None)
    return f"{browser} on {system}" if system else browser


def sessions_of(user: User) -> list[Session]:
    """Those that still work, the one in use last first."""
    return list(user.sessions.filter(expire_date__gt=timezone.now()).order_by("-seen_at"))


def end_session(user: User, public_id: str) -> Session:
    """Raises 404 when it is none of this person's."""
    for session in sessions_of(user):
        if session.public_id == public_id:
            session.delete()
            return session
    raise Http404


def end_sessions(user: User, *, but: str | None = None) -> int:
    """Sign this person out everywhere, but for the session with that key; how many there were."""
    num_ended, _ = user.sessions.exclude(pk=but or "").delete()
    return num_ended


def change_password(request: HttpRequest, user: User, password: str) -> None:
    """Whoever else is signed in as this person is not any more; this browser stays."""
    user.set_password(password)
    user.save(update_fields=["password"])
    update_session_auth_hash(request, user)
    request.session.save()
    end_sessions(user, but=request.session.session_key)


def is_good(session: Session) -> bool:
    """What is asked again and again of an open page, by one query: not ended, the person still
    active, the password the same."""
    user = session.user
    if user is None or not user.is_active:
        return False
    return bool(session.get_decoded().get("_auth_user_hash") == user.get_session_auth_hash())
