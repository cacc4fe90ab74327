"""What every page shows an administrator of the downloads under way: how many, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Sum
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from models_app.models import Download


@dataclass(frozen=True)
class Tray:
    """`percent` of all bytes together; None: the size of none is known yet."""

    num_active: int
    percent: int | None


def tray(request: HttpRequest) -> dict[str, Any]:
    """Context processor. Nothing is read before a template uses it, and for members there is none."""
    user = getattr(request, "user", None)
    if not (user and user.is_active and user.is_staff):
        return {}
    return {"downloads_tray": SimpleLazyObject(read_tray)}


def read_tray() -> Tray:
    """One query."""
    found = Download.objects.active().aggregate(
        count=Count("pk"), done=Sum("done_bytes"), total=Sum("total_bytes")
    )
    percent = min(99, 100 * found["done"] // found["total"]) if found["total"] else None
    return Tray(found["count"], percent)
