"""Housekeeping of the chat, run by the worker."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from chat.models import Conversation

logger = logging.getLogger(__name__)

KEPT_AFTER_DELETING = timedelta(days=30)


@db_periodic_task(crontab(minute="17", hour="4"))  # type: ignore[untyped-decorator]
def purge_deleted_chats() -> None:
    purge_deleted(before=timezone.now() - KEPT_AFTER_DELETING)


def purge_deleted(*, before: datetime) -> int:
    """Really delete what was deleted before this moment; returns how many chats."""
    doomed = Conversation.objects.filter(deleted_at__lt=before)
    count = doomed.count()
    doomed.delete()
    if count:
        logger.info("purged deleted chats count=%d", count)
    return count
