"""An answer while it is being generated: its state, its text, and that text as HTML blocks.

One `LiveAnswer` for each recorder, read by every open page of the conversation. It belongs to the
event loop; only the rendering itself runs in a thread, one at a time. It knows neither the database
nor a socket.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

from django.utils.safestring import SafeString

from chat.models import RUNNING_STATES, Message, MessageState
from chat.settling import Written
from inference.types import Delta, Event, Loading, Moved, Prefill, Queued, Shortened
from rendering import StreamRenderer, joined

_STATE_OF: dict[type, MessageState] = {
    Queued: MessageState.QUEUED,
    Loading: MessageState.LOADING,
    Prefill: MessageState.PREFILL,
    Delta: MessageState.STREAMING,
}


class LiveAnswer:
    """`settled` is the stored row once the end is in the database; nothing changes after that.

    `progress` is the latest event that tells how far the answer is before its first token.
    A replayed log starts at the first token again: until it has caught up with the text that was
    stored before, that text is what is shown, for nothing that was shown may disappear.
    """

    def __init__(self, message: Message, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.message_id: UUID = message.pk
        self.conversation_id: UUID = message.conversation_id
        self.state = MessageState(message.state)
        self.progress: Queued | Loading | Prefill | None = None
        self.num_tokens = 0
        self.num_dropped = message.num_dropped
        self.moves: list[Moved] = []
        self.revision = 0
        self.settled: Message | None = None
        self.is_over = False
        self._text = _Growing(message.text)
        self._reasoning = _Growing(message.reasoning)
        self._stored_seconds = message.reasoning_seconds
        self._clock = clock
        self._first_token_at: float | None = None
        self._reasoning_until: float | None = None
        self._rendering = _Rendering()

    def apply(self, event: Event) -> None:
        """Fold one event in. The state only moves forward, whatever order a log is replayed in."""
        if isinstance(event, Delta):
            self._append(event)
        elif isinstance(event, Shortened):
            self.num_dropped = event.num_messages
        elif isinstance(event, Moved):
            self.moves.append(event)
        elif isinstance(event, Queued | Loading | Prefill):
            self.progress = event
        state = _STATE_OF.get(type(event), self.state)
        if RUNNING_STATES.index(state) > RUNNING_STATES.index(self.state):
            self.state = state
        self.revision += 1

    def _append(self, delta: Delta) -> None:
        if self._first_token_at is None:
            self._first_token_at = self._clock()
        if delta.is_reasoning:
            is_first = self._reasoning_until is None
            self._reasoning_until = self._first_token_at if is_first else self._clock()
            self._reasoning.append(delta.text)
        else:
            self._text.append(delta.text)
        self.num_tokens = delta.num_tokens

    @property
    def text(self) -> str:
        return self._text.text

    @property
    def written(self) -> Written:
        """All that is to be stored of it."""
        return Written(
            self.text,
            self._reasoning.text,
            self.reasoning_seconds,
            self.num_dropped,
            model_name=self.moves[-1].name if self.moves else "",
            detour=self.detour,
        )

    @property
    def detour(self) -> str:
        """Why it is not the model that was asked; "" when it is."""
        if not self.moves:
            return ""
        reasons = "; ".join(move.reason for move in self.moves)
        return f"Answered by {self.moves[-1].name}: {reasons}."[:600]

    @property
    def reasoning(self) -> str:
        return self._reasoning.text

    @property
    def reasoning_length(self) -> int:
        """In characters; joins nothing."""
        return len(self._reasoning)

    @property
    def is_reasoning(self) -> bool:
        """It has thought, and not answered yet."""
        return bool(self._reasoning) and not self._text and not self.is_over

    @property
    def reasoning_seconds(self) -> float:
        """From the first token to the last one that was a thought."""
        if self._first_token_at is None or self._reasoning_until is None:
            return self._stored_seconds
        return max(self._stored_seconds, self._reasoning_until - self._first_token_at)

    @property
    def tokens_per_second(self) -> float | None:
        if self._first_token_at is None or self.num_tokens < 2:
            return None
        elapsed = self._clock() - self._first_token_at
        return (self.num_tokens - 1) / elapsed if elapsed > 0 else None

    def settle(self, message: Message | None) -> None:
        """The end is stored; `message` None: the turn was undone, and there is nothing to show."""
        self.settled = message
        self.is_over = True
        self.revision += 1

    @property
    def blocks(self) -> list[SafeString]:
        """Finished blocks, as far as `render` has come."""
        return self._rendering.blocks

    @property
    def tail(self) -> SafeString:
        return self._rendering.tail

    @property
    def is_behind(self) -> bool:
        """`tail` is not up to date, since a long open block is rendered less often."""
        return self._rendering.is_behind

    async def render(self) -> None:
        """Bring `blocks` and `tail` up to the text. Costs nothing when nobody looks at the answer."""
        await self._rendering.catch_up(self.text, is_final=self.is_over)


class _Growing:
    """A text that comes in parts; until they are as long, what was `stored` of it before."""

    def __init__(self, stored: str) -> None:
        self._stored = stored
        self._parts: list[str] = []
        self._num_characters = 0

    def append(self, text: str) -> None:
        self._parts.append(text)
        self._num_characters += len(text)

    def __len__(self) -> int:
        return max(self._num_characters, len(self._stored))

    @property
    def text(self) -> str:
        if self._num_characters < len(self._stored):
            return self._stored
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""


class _Rendering:
    """The blocks of a growing text, rendered once for all pages."""

    def __init__(self) -> None:
        self.blocks: list[SafeString] = []
        self.tail = joined(())
        self._renderer = StreamRenderer()
        self._num_fed = 0
        self._is_finished = False
        self._lock = asyncio.Lock()

    @property
    def is_behind(self) -> bool:
        return self._renderer.behind and not self._is_finished

    async def catch_up(self, text: str, *, is_final: bool) -> None:
        async with self._lock:
            if self._is_finished or not (len(text) > self._num_fed or self.is_behind or is_final):
                return
            await asyncio.to_thread(self._render, text, is_final)

    def _render(self, text: str, is_final: bool) -> None:
        self._renderer.feed(text[self._num_fed :])
        self._num_fed = max(self._num_fed, len(text))
        rendered = self._renderer.finish() if is_final else self._renderer.take()
        self.blocks.extend(rendered.blocks)
        self.tail = rendered.tail
        self._is_finished = is_final
