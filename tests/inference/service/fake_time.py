"""An event loop whose time passes at once: whoever sleeps is woken as soon as nobody else can run."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
# Of the loop, without any time passing.
MOST_TURNS = 10_000


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """What is handed to a thread is done in place, so that every run is the same run."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__(_Selector(self))
        self.set_default_executor(_InPlace())

    def time(self) -> float:
        return self.now


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: FakeTimeLoop) -> None:
        super().__init__()
        self._loop = loop
        self._num_turns = 0  # since time passed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for somebody else"
        self._loop.now += max(timeout, 0.0)
        self._num_turns = 0 if timeout > 0 else self._num_turns + 1
        assert self._num_turns < MOST_TURNS, "somebody never rests"
        return []


class _InPlace(ThreadPoolExecutor):
    def submit(self, fn: Callable[..., T], /, *args: Any, **options: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def run_in_fake_time(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        return runner.run(main)
