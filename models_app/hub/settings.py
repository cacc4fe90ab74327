"""The hub as this instance is set up to use it."""

from __future__ import annotations

from django.conf import settings

from models_app.hub.client import Hub
from models_app.hub.token import stored_token


def hub() -> Hub:
    """The token of the environment goes before the one that was given on the page."""
    return Hub(
        endpoint=settings.HUB_ENDPOINT,
        token=settings.HUB_TOKEN or stored_token(),
        is_offline=settings.HUB_IS_OFFLINE,
    )
