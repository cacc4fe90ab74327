"""The socket of an open conversation page. It only ever sends; what a page says is what it has.

Two things run while a page is open: the frames (30 to 50 ms apart while there is something new), and
its part in the look whether sessions are still good and conversations still there (`lookout`).
Neither Channels nor Daphne pushes back on a slow reader, so the page acknowledges what it has
taken, and nothing is sent beyond a small window: until then its `OpenPage` simply falls behind.

The closing codes are in `flow`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import msgspec
from channels.generic.websocket import AsyncWebsocketConsumer
from django.http import Http404

from accounts.models import User
from chat import lookout, pages
from chat.flow import FAILED, GONE, TOO_MUCH, Rate, Refused, Window
from chat.lookout import State, Subject
from chat.open_page import OpenPage

logger = logging.getLogger(__name__)

FRAME_SECONDS = 0.04
BEHIND_SECONDS = 0.1
BYTES_PER_SECOND = 1_000_000
HELLO_SECONDS = 2.0


class PageMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`version`: said once, first: the transcript that the page shows. `taken`: frames so far."""

    version: str | None = None
    taken: int | None = None


class ConversationConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    conversation_id: UUID
    page: OpenPage
    user: User
    subject: Subject

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.window = Window()
        self.rate = Rate()
        self.version: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """`disconnect` is not called when the server cancels us, so the end is here."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._end()

    async def connect(self) -> None:
        """Accept first: a browser is only told the code of a socket that was open."""
        await self.accept()
        try:
            await self._open()
        except Refused as refused:
            await self.close(refused.code)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            self.rate.count()
            message = parse(text_data)
            if message.version is not None and not self.version.done():
                self.version.set_result(message.version)
            if message.taken is not None:
                self.window.taken(message.taken)
        except Refused as refused:
            await self._shut(refused.code)

    async def _open(self) -> None:
        self.conversation_id = self.scope["url_route"]["kwargs"]["conversation_id"]
        self.user = self.scope["user"]
        self.subject = Subject(
            session_key=self.scope["session"].session_key,
            user_id=self.user.pk,
            conversation_id=self.conversation_id,
        )
        state = await lookout.look(self.subject)
        self.page = OpenPage(user=self.user, conversation_id=self.conversation_id)
        try:
            pages.opened(self.page, conversation_id=self.conversation_id, user_id=self.user.pk)
        except pages.TooManyPages:
            raise Refused(TOO_MUCH) from None
        self.tasks = [self._run(self._send_frames()), self._run(self._keep_looking(state))]

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Refused as refused:
            await self._shut(refused.code)
        except Http404:
            await self._shut(GONE)
        except Exception:
            logger.exception("socket failed conversation=%s", self.conversation_id)
            await self._shut(FAILED)

    async def _shut(self, code: int) -> None:
        """Nothing may be sent after the closing frame."""
        for task in self.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await self.close(code)

    async def _end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if hasattr(self, "page"):
            pages.closed(self.page, conversation_id=self.conversation_id, user_id=self.user.pk)

    # -- frames -----------------------------------------------------------------------------------

    async def _send_frames(self) -> None:
        await self.page.begin(await self._shown_version())
        while True:
            self.page.wake.clear()
            frame = await self.page.next_frame()
            if frame is None:
                await self._woken()
                continue
            size = len(frame.encode())
            await self.send(text_data=frame)
            self.window.sent(size)
            await asyncio.sleep(max(FRAME_SECONDS, size / BYTES_PER_SECOND))
            await self.window.opened()

    async def _woken(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BEHIND_SECONDS if self.page.is_behind else None):
                await self.page.wake.wait()

    async def _shown_version(self) -> str:
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self.version, HELLO_SECONDS)
        return ""

    # -- is it still so? --------------------------------------------------------------------------

    async def _keep_looking(self, known: State) -> None:
        while True:
            found = await lookout.next_look(self.subject)
            if found != known:
                known = found
                self.page.conversation_changed()


_decoder = msgspec.json.Decoder(PageMessage)


def parse(text: str | None) -> PageMessage:
    try:
        return _decoder.decode(text or "")
    except msgspec.DecodeError:
        raise Refused(TOO_MUCH) from None
