"""Housekeeping that nobody waits for."""

from __future__ import annotations

from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from accounts.models import UsageRecord

KEPT_DAYS = 400


@db_periodic_task(crontab(hour="4", minute="10"))  # type: ignore[untyped-decorator]
def drop_expired_sessions() -> None:
    call_command("clearsessions")


@db_periodic_task(crontab(hour="4", minute="20"))  # type: ignore[untyped-decorator]
def drop_old_usage() -> None:
    """No page looks back further, and no quota does."""
    oldest = timezone.now() - timedelta(days=KEPT_DAYS)
    UsageRecord.objects.filter(created_at__lt=oldest).delete()
