"""Is the site up (`/healthz`), and can it do its work (`/readyz`)? Both answer without sign-in.

Ready means that it was just seen: a row written, a heartbeat that is fresh, and a service that
answered. What is said is one word a part, so that it tells a stranger nothing about the machine.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from inference.errors import InferenceError
from minerva_site.models import Heartbeat
from minerva_site.tasks import WORKER
from models_app.engine import inference_client

logger = logging.getLogger(__name__)

MAX_HEARTBEAT_AGE = timedelta(seconds=30)
KEPT_SECONDS = 1.0
INFERENCE_SECONDS = 3.0


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process runs and answers; nothing else is looked at."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@login_not_required
@require_safe
async def readyz(request: HttpRequest) -> JsonResponse:
    parts = await _readiness.parts()
    is_ready = all(state == "ok" for state in parts.values())
    return JsonResponse({"ready": is_ready, **parts}, status=200 if is_ready else 503)


class Readiness:
    """Looks at most once a second, however often it is asked: the look writes to the database."""

    def __init__(self) -> None:
        self._parts: dict[str, str] = {}
        self._seen_at = float("-inf")

    async def parts(self) -> dict[str, str]:
        if time.monotonic() - self._seen_at > KEPT_SECONDS:
            self._parts = await look()
            self._seen_at = time.monotonic()
        return self._parts


_readiness = Readiness()


async def look() -> dict[str, str]:
    """The state of each part now: "ok", or in a few words what is wrong."""
    database, worker = await sync_to_async(_database_and_worker)()
    return {"database": database, "worker": worker, "inference": await _inference()}


def _database_and_worker() -> tuple[str, str]:
    try:
        Heartbeat.objects.update_or_create(name="web", defaults={"beat_at": timezone.now()})
        worker = Heartbeat.objects.filter(name=WORKER).first()
    except DatabaseError:
        logger.exception("readiness: the database cannot be written to")
        return "cannot be written to", "unknown"
    return "ok", _worker_state(worker)


def _worker_state(heartbeat: Heartbeat | None) -> str:
    if heartbeat is None:
        return "no heartbeat yet"
    age = timezone.now() - heartbeat.beat_at
    if age > MAX_HEARTBEAT_AGE:
        return f"no heartbeat for {age.total_seconds():.0f} s"
    return "ok"


async def _inference() -> str:
    try:
        async with asyncio.timeout(INFERENCE_SECONDS):
            await inference_client().status()
    except (InferenceError, TimeoutError):
        return "does not answer"
    return "ok"
