"""Whether a server is still there. One answer that breaks off need not mean that it is gone, and the answers
that others wait for must not end with it: so the server is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from inference.errors import InferenceError, RemoteUnreachable

MOST_IN_A_ROW = 3


class Reachability:
    """`ask` raises InferenceError where the server is not there, or no longer has the model. All in one
    event loop."""

    def __init__(self, ask: Callable[[], Awaitable[object]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[None] | None = None
        self._num_in_a_row = 0
        self._has_gone = asyncio.Event()
        self.error: InferenceError | None = None

    async def until_gone(self) -> InferenceError:
        """Why it is."""
        await self._has_gone.wait()
        assert self.error is not None
        return self.error

    @contextmanager
    def during_request(self) -> Iterator[None]:
        """Around each request, for what becomes of it: answered, broken off, or neither."""
        num_before = self._num_in_a_row
        try:
            yield
        except RemoteUnreachable as error:
            self._note_lost(error, num_before)
            raise
        self._num_in_a_row = 0

    def _note_lost(self, error: RemoteUnreachable, num_before: int) -> None:
        """Who takes no connection is gone, and so is who breaks off every time. Answers that were cut off
        together, for instance by a proxy that started again, count as one."""
        if num_before >= self._num_in_a_row:
            self._num_in_a_row += 1
        if error.facts.get("reason") == "connect" or self._num_in_a_row >= MOST_IN_A_ROW:
            self._note_gone(error)
        elif self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_again(error))

    async def _ask_again(self, error: RemoteUnreachable) -> None:
        try:
            await self._ask()
        except InferenceError:
            self._note_gone(error)

    def _note_gone(self, error: InferenceError) -> None:
        self.error = self.error or error
        self._has_gone.set()
