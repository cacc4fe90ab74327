"""A repository that was looked at a moment ago, so that a slider does not ask the hub at each of its steps."""

from __future__ import annotations

import hashlib

from django.core.cache import cache

from models_app.hub.client import Hub
from models_app.hub.repository import Repository

SECONDS = 300


def fresh(source: Hub, name: str) -> Repository:
    """As the hub has it now. Raises HubError."""
    found = source.repository(name)
    cache.set(_key(source, name), found, SECONDS)
    return found


def recent(source: Hub, name: str) -> Repository:
    """As somebody with the same token saw it some minutes ago, or else as it is now. Raises HubError."""
    found = cache.get(_key(source, name))
    return found if isinstance(found, Repository) else fresh(source, name)


def _key(source: Hub, name: str) -> str:
    seen_by = f"{source.endpoint}\n{source.token}\n{source.is_offline}\n{name.casefold()}"
    return f"hub.repository.{hashlib.blake2b(seen_by.encode(), digest_size=16).hexdigest()}"
