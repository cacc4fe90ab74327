"""The id that a request has in the logs of all processes: the client's own, or one made here."""

from __future__ import annotations

import re
from uuid import uuid4

from django.http import HttpRequest

HEADER = "X-Request-Id"
_OWN = re.compile(r"[A-Za-z0-9._:\-]{1,64}")
_NAME = "_api_request_id"


def of(request: HttpRequest) -> str:
    """The same one each time."""
    if not hasattr(request, _NAME):
        given = request.headers.get(HEADER, "")
        setattr(request, _NAME, given if _OWN.fullmatch(given) else f"req_{uuid4().hex}")
    name: str = getattr(request, _NAME)
    return name
