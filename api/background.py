"""Tasks that outlive the request that started them: each referenced, and its failure logged.

A task gets a context of its own; in that of a request its database thread would end with the request.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, cast

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)
_tasks: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work, name=name, context=contextvars.Context())
    _tasks.add(task)
    task.add_done_callback(_ended)
    return task


def in_database(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """For asynchronous code: in the thread that the database belongs to."""
    return cast("Callable[P, Coroutine[Any, Any, T]]", database_sync_to_async(function))


def _ended(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled() and (error := task.exception()):
        logger.error("task failed name=%s", task.get_name(), exc_info=error)
