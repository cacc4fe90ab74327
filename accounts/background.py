"""Tasks that outlive the request that started them: each referenced, and its failure logged.

A task gets a context of its own. In the context of a request it would keep that request's database
thread, which ends with the request.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")
_tasks: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
    task = _start(work, name)
    task.add_done_callback(_log_failure)
    return task


async def finish(work: Coroutine[Any, Any, T], *, name: str) -> T:
    """Await work that goes on to its end even when the one who waits goes away."""
    task = _start(work, name)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_log_failure)
        raise


def _start(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    context = contextvars.Context()
    task = asyncio.get_running_loop().create_task(work, name=name, context=context)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("task failed name=%s", task.get_name(), exc_info=error)
