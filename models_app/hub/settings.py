"""The hub as this instance is set up to use it."""

from __future__ import annotations

from django.conf import settings

from models_app.hub.client import Hub


def hub() -> Hub:
    return Hub(
        endpoint=settings.HUB_ENDPOINT, token=settings.HUB_TOKEN, is_offline=settings.HUB_IS_OFFLINE
    )
