"""The worker's heartbeat: a task like any other, so it beats only while jobs are really done."""

from __future__ import annotations

import uuid

from django.utils import timezone
from huey.contrib.djhuey import db_task

from minerva_site.models import Heartbeat

WORKER = "worker"
BEAT_SECONDS = 10

# A chain of beats belongs to one process: what an earlier one left scheduled ends at its next beat.
_this_process = uuid.uuid4().hex


@db_task()  # type: ignore[untyped-decorator]
def beat(process: str) -> None:
    if process != _this_process:
        return
    Heartbeat.objects.update_or_create(name=WORKER, defaults={"beat_at": timezone.now()})
    beat.schedule((process,), delay=BEAT_SECONDS)


def start_beating() -> None:
    beat(_this_process)
