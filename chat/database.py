"""The database from asynchronous code: one thread for all of it, and stale connections closed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, cast

from channels.db import database_sync_to_async

P = ParamSpec("P")
T = TypeVar("T")


def in_database(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    return cast("Callable[P, Coroutine[Any, Any, T]]", database_sync_to_async(function))
