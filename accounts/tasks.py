"""Housekeeping that nobody waits for."""

from __future__ import annotations

from django.core.management import call_command
from huey import crontab
from huey.contrib.djhuey import db_periodic_task


@db_periodic_task(crontab(hour="4", minute="10"))  # type: ignore[untyped-decorator]
def drop_expired_sessions() -> None:
    call_command("clearsessions")
