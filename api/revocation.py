"""Ends what runs with a key that lets nobody in any more: looked at each second, while something runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError

from accounts import background, keys
from accounts.database import in_database
from api.callers import Caller
from api.errors import ApiError
from inference.errors import InferenceError
from models_app import engine

LOOK_SECONDS = 0.8

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Watched:
    """`cut_off`: why whoever reads it has to be sent away now."""

    generation_id: str
    key_id: UUID
    cut_off: ApiError | None = None


_open: set[Watched] = set()
_looking: asyncio.Task[None] | None = None


def watch(generation_id: str, caller: Caller) -> Watched | None:
    """None: there is no key that could be revoked."""
    global _looking
    if caller.key is None:
        return None
    watched = Watched(generation_id, caller.key.pk)
    _open.add(watched)
    if _looking is None or _looking.done():
        _looking = background.spawn(_look_while_open(), name="revocation watch")
    return watched


def unwatch(watched: Watched | None) -> None:
    if watched is not None:
        _open.discard(watched)


def check(watched: Watched | None) -> None:
    """Raises 401."""
    if watched is not None and watched.cut_off is not None:
        raise watched.cut_off


async def _look_while_open() -> None:
    while _open:
        await asyncio.sleep(LOOK_SECONDS)
        with contextlib.suppress(DatabaseError):
            await _look()


async def _look() -> None:
    asked = {one for one in _open if one.cut_off is None}
    valid = await _still_valid(sorted({one.key_id for one in asked}))
    for one in asked:
        if one.key_id not in valid:
            await _cut_off(one)


async def _cut_off(watched: Watched) -> None:
    logger.info("cut off generation=%s", watched.generation_id)
    watched.cut_off = ApiError(
        401, "The API key was revoked, or has expired, in the meantime.", code="invalid_api_key"
    )
    with contextlib.suppress(InferenceError):
        await engine.inference_client().stop(watched.generation_id)


@in_database
def _still_valid(key_ids: list[UUID]) -> set[UUID]:
    return keys.still_valid(key_ids)
