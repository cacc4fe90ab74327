"""The database from asynchronous code: in one thread for all of it, whose connection stays open.

Opening one costs more than most of what is asked, and the thread of a request ends with it; so what asks
is taken out of its request. A connection that failed is given up, and the next one who asks opens another.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import Error, connection

from accounts import background

P = ParamSpec("P")
T = TypeVar("T")


def in_database(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """What has begun comes to its end, even when the one who waits for it goes away."""
    asked = sync_to_async(_or_give_up(function))

    @wraps(function)
    async def wait(*args: P.args, **kwargs: P.kwargs) -> T:
        return await background.finish(asked(*args, **kwargs), name=function.__qualname__)

    return wait


def _or_give_up(function: Callable[P, T]) -> Callable[P, T]:
    @wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Error:
            if not connection.in_atomic_block:
                connection.close()
            raise

    return ask
