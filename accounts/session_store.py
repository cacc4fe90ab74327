"""Django's sessions in the database, with whose they are in columns beside: so a person can see and
end the own ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from accounts.models import Session
from accounts.sessions import ADDRESS, DEVICE, SEEN_AT, STARTED_AT


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        return _with_columns(super().create_model_instance(data), data)

    async def acreate_model_instance(self, data: dict[str, Any]) -> Session:
        return _with_columns(await super().acreate_model_instance(data), data)


def _with_columns(session: Any, data: dict[str, Any]) -> Session:
    session.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
    session.device = data.get(DEVICE, "")
    session.address = data.get(ADDRESS, "")
    session.started_at = _moment(data.get(STARTED_AT))
    session.seen_at = _moment(data.get(SEEN_AT))
    return session  # type: ignore[no-any-return]


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
