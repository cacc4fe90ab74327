"""Ends what runs with a key that lets nobody in any more: looked at each second, while something runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import DatabaseError

from accounts import keys
from api import background
from api.errors import ApiError
from inference.errors import InferenceError
from models_app import engine

if TYPE_CHECKING:
    from api.running import Run

LOOK_SECONDS = 0.8

logger = logging.getLogger(__name__)
_open: set[Run] = set()
_looking: asyncio.Task[None] | None = None


def watch(run: Run) -> None:
    global _looking
    _open.add(run)
    if _looking is None or _looking.done():
        _looking = background.spawn(_look_while_open(), name="revocation watch")


def unwatch(run: Run) -> None:
    _open.discard(run)


async def _look_while_open() -> None:
    while _open:
        await asyncio.sleep(LOOK_SECONDS)
        with contextlib.suppress(DatabaseError):
            await _look()


async def _look() -> None:
    asked = {run: key.pk for run in _open if (key := run.admission.caller.key) is not None}
    valid = await _still_valid(sorted(set(asked.values())))
    for run, key_id in asked.items():
        if key_id not in valid:
            await _cut_off(run)


async def _cut_off(run: Run) -> None:
    logger.info("cut off generation=%s", run.id)
    run.cut_off = ApiError(
        401, "The API key was revoked, or has expired, in the meantime.", code="invalid_api_key"
    )
    with contextlib.suppress(InferenceError):
        await engine.inference_client().stop(run.id)


@background.in_database
def _still_valid(key_ids: list[UUID]) -> set[UUID]:
    return keys.still_valid(key_ids)
