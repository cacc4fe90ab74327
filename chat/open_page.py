"""What one open page shows of a conversation, and the frames that bring it up to date.

A page is brought from what it shows to what is true, whatever happened in between; so connecting,
reconnecting and following a turn of another tab are the same path. It knows nothing of sockets.

1. A page first says which version of the transcript it shows (`version_of`). If that is the current
   one, it has every message; otherwise it gets the whole transcript anew.
2. Frames of a running answer come before anything else, so that a turn is complete on the page
   before the next one begins there.
3. Whenever the conversation has changed, the path is read again, and the difference is sent: to
   what the page has by then, which may be half of an earlier difference.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from uuid import UUID

from accounts.database import in_database
from accounts.models import User
from chat import access, fragments, recorder
from chat.cursor import MAX_FRAME_BYTES, AnswerCursor
from chat.models import Conversation, Message
from chat.transcript import path_of, version_of

LONG_TEXT = 10_000


@dataclass(frozen=True)
class Current:
    """What is in the database now."""

    conversation: Conversation
    path: list[Message]
    version: str

    @property
    def running(self) -> Message | None:
        return self.path[-1] if self.path and self.path[-1].is_running else None


class OpenPage:
    def __init__(self, *, user: User, conversation_id: UUID) -> None:
        self.wake = asyncio.Event()
        self._user = user
        self._conversation_id = conversation_id
        self._is_stale = True
        self._version = ""
        self._shown: list[UUID] = []
        self._knows_nothing = True
        self._removed: list[UUID] = []
        self._to_append: deque[Message] = deque()
        self._pieces: deque[fragments.Piece] = deque()
        self._current: Current | None = None
        self._cursor: AnswerCursor | None = None
        self._unfinished: UUID | None = None

    def conversation_changed(self) -> None:
        self._is_stale = True
        self.wake.set()

    def answer_changed(self) -> None:
        if self._cursor:
            self.wake.set()

    @property
    def is_behind(self) -> bool:
        """Ask again soon, even if nothing wakes the page."""
        return self._cursor is not None and self._cursor.is_behind

    async def next_frame(self) -> str | None:
        """The next thing this page lacks. Raises Http404 when the conversation is gone."""
        if self._cursor:
            frame = await self._cursor.next_frame()
            if self._cursor.is_done:
                self._cursor = None
            if frame or self._cursor:
                return frame
        if self._pieces:
            return fragments.pieces(_fitting(self._pieces))
        if self._is_stale:
            await self._look()
        if self._current:
            return await self._transcript_frame(self._current)
        return await self.next_frame() if self._cursor else None

    async def begin(self, version: str) -> None:
        """Take the page's word for what it shows; "" when it shows nothing we know."""
        self._is_stale = False
        current = await self._load()
        if current.version != version:
            self._is_stale = True
            return
        self._shown = [message.pk for message in current.path]
        self._version, self._knows_nothing = version, False
        self._follow(current.running)

    async def _look(self) -> None:
        """Find out what the page lacks."""
        self._is_stale = False  # before reading: a change while we read makes it stale again
        current = await self._load()
        if current.version == self._version and not self._knows_nothing:
            self._follow(current.running)
            return
        self._plan(current)

    def _plan(self, current: Current) -> None:
        path = [message.pk for message in current.path]
        same = 0
        for ours, theirs in zip(path, self._shown, strict=False):
            if ours != theirs or ours == self._unfinished:
                break
            same += 1
        self._removed += self._shown[same:]
        self._to_append = deque(current.path[same:])
        self._shown = self._shown[:same]
        self._current = current

    async def _transcript_frame(self, current: Current) -> str:
        """As many of the missing messages as fit; with the last of them, what surrounds them."""
        articles: list[str] = []
        size = 0
        while self._to_append and size < MAX_FRAME_BYTES and not self._pieces:
            message = self._to_append.popleft()
            articles.append(await self._article(message))
            size += len(articles[-1].encode())
            self._shown.append(message.pk)
        frame = fragments.transcript(
            is_reset=self._knows_nothing, removed=self._removed, articles=articles
        )
        self._knows_nothing, self._removed = False, []
        if self._to_append or self._pieces:
            return frame
        self._current, self._version = None, current.version
        self._follow(current.running)
        return frame + fragments.composer(
            current.conversation, version=current.version, running=current.running
        )

    async def _article(self, message: Message) -> str:
        """With its text, unless that is long (it follows in pieces) or live (the cursor's part)."""
        if recorder.live_answer(message.pk):
            return await asyncio.to_thread(fragments.message, message, has_text=False)
        if len(message.text) + len(message.reasoning) <= LONG_TEXT:
            return await asyncio.to_thread(fragments.message, message)
        self._pieces.extend(await asyncio.to_thread(fragments.pieces_of, message))
        return await asyncio.to_thread(fragments.message, message, has_text=False)

    def _follow(self, running: Message | None) -> None:
        answer = recorder.live_answer(running.pk) if running else None
        self._cursor = AnswerCursor(answer) if answer else None
        # Recorded elsewhere: its article is sent again when it has ended.
        self._unfinished = running.pk if running and not answer else None

    async def _load(self) -> Current:
        return await _load(self._user, self._conversation_id)


def _fitting(pieces: deque[fragments.Piece]) -> list[fragments.Piece]:
    """Takes as many from the left as fit into a frame, and one at least."""
    taken = [pieces.popleft()]
    size = len(taken[0].html.encode())
    while pieces and (size := size + len(pieces[0].html.encode())) <= MAX_FRAME_BYTES:
        taken.append(pieces.popleft())
    return taken


@in_database
def _load(user: User, conversation_id: UUID) -> Current:
    conversation = access.get_conversation(user, conversation_id)
    path = path_of(conversation)
    return Current(conversation, path, version_of(conversation, path))
