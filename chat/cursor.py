"""How much of a running answer one page has been sent. It buffers nothing: a page that is slow
simply asks less often, and gets everything new since then in one frame."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.utils.safestring import SafeString

from chat import fragments, wording
from chat.live import LiveAnswer
from chat.models import MessageState
from rendering import joined

MAX_FRAME_BYTES = 60 * 1024
STATUS_SECONDS = 0.5


class AnswerCursor:
    """`is_done`: the page has the whole answer and how it ended, or the turn was undone."""

    def __init__(self, answer: LiveAnswer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.answer = answer
        self.is_done = False
        self._clock = clock
        self._is_first = True
        self._revision = -1
        self._num_blocks = 0
        self._tail = joined(())
        self._num_reasoned = 0
        self._reasoning_line = ""
        self._detour = ""
        self._status = ""
        self._status_state: MessageState | None = None
        self._status_at = float("-inf")

    async def next_frame(self) -> str | None:
        """What the page lacks, at most a frame of it; None when it lacks nothing now."""
        answer = self.answer
        if self.is_done or not self._has_more:
            return None
        if answer.is_over and answer.settled is None:
            self.is_done = True
            return None
        # Both are read before the rendering, which may be overtaken by further events.
        self._revision, is_over = answer.revision, answer.is_over
        await answer.render()
        return self._frame(is_over=is_over)

    @property
    def is_behind(self) -> bool:
        """There will be more to send even if nothing further is generated."""
        return not self.is_done and self.answer.is_behind

    @property
    def _has_more(self) -> bool:
        is_new = self.answer.revision != self._revision
        has_more = self._has_more_blocks or self._has_more_reasoning
        return is_new or has_more or self.answer.is_behind

    @property
    def _has_more_blocks(self) -> bool:
        return self._num_blocks < len(self.answer.blocks)

    @property
    def _has_more_reasoning(self) -> bool:
        return self._num_reasoned < self.answer.reasoning_length

    def _frame(self, *, is_over: bool) -> str | None:
        reasoning, reasoning_line = self._take_reasoning(), self._new_reasoning_line()
        blocks = self._take_blocks()
        tail = joined(()) if self._has_more_blocks else self.answer.tail
        has_new_tail = tail != self._tail or self._is_first
        status, detour = self._new_status(), self._new_detour()
        is_end = is_over and not (self._has_more_blocks or self._has_more_reasoning)
        is_news = blocks or reasoning or has_new_tail or is_end or detour
        if not is_news and status is None and reasoning_line is None:
            return None
        frame = fragments.answer(
            f"message-{self.answer.message_id}",
            is_first=self._is_first,
            blocks=blocks,
            tail=tail if has_new_tail else None,
            status=None if is_end else status,
            state=self.answer.state,
            reasoning=reasoning,
            reasoning_line=reasoning_line,
            detour=detour,
            model_name=self.answer.written.model_name if detour else "",
        )
        self._tail, self._is_first, self.is_done = tail, False, is_end
        if is_end and self.answer.settled:
            frame += fragments.ending(self.answer.settled)
        return frame

    def _take_blocks(self) -> SafeString:
        """Further finished blocks: as many as fit, and one at least."""
        taken: list[SafeString] = []
        size = 0
        for block in self.answer.blocks[self._num_blocks :]:
            size += len(block.encode())
            if taken and size > MAX_FRAME_BYTES:
                break
            taken.append(block)
        self._num_blocks += len(taken)
        return joined(taken)

    def _take_reasoning(self) -> str:
        if not self._has_more_reasoning:
            return ""
        start = self._num_reasoned
        taken = self.answer.reasoning[start : start + fragments.PIECE_CHARACTERS]
        self._num_reasoned += len(taken)
        return taken

    def _new_detour(self) -> str:
        if self.answer.detour == self._detour:
            return ""
        self._detour = self.answer.detour
        return self._detour

    def _new_reasoning_line(self) -> str | None:
        line = wording.live_reasoning_line(self.answer) if self.answer.reasoning_length else ""
        if line == self._reasoning_line:
            return None
        self._reasoning_line = line
        return line

    def _new_status(self) -> str | None:
        """The line changes with every token; twice a second is what can be read."""
        now, state = self._clock(), self.answer.state
        if state is self._status_state and now - self._status_at < STATUS_SECONDS:
            return None
        status = wording.status_line(self.answer)
        if status == self._status:
            return None
        self._status, self._status_at, self._status_state = status, now, state
        return status
