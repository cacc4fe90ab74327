"""How a running answer's row moves forward and ends. All functions are synchronous.

Each change is an UPDATE with the allowed earlier states in its WHERE, so that two writers cannot
fight: whoever comes second changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from accounts import usage
from chat.models import RUNNING_STATES, Conversation, Message, MessageState
from inference.errors import ContextWindowExceeded, ErrorInfo
from inference.types import Failed, Finished, FinishReason, Timings, Usage

INTERRUPTING_CODES = frozenset(
    {
        "runner_crashed",
        "runner_stuck",
        "model_unloaded",
        "service_unavailable",
        "generation_not_found",
    }
)
REFUSING_CODES = frozenset({"context_window_exceeded", "invalid_request"})


@dataclass(frozen=True)
class Written:
    """What a model has written, and how long it thought before. `detour`: why it is another model than
    was asked; then `model_name` is this one's."""

    text: str
    reasoning: str = ""
    reasoning_seconds: float = 0.0
    num_dropped: int = 0
    model_name: str = ""
    detour: str = ""

    @property
    def columns(self) -> dict[str, object]:
        """Who answers only where that became another than was asked."""
        moved = {"model_name": self.model_name, "detour": self.detour} if self.detour else {}
        return {
            **moved,
            "text": self.text,
            "reasoning": self.reasoning,
            "reasoning_seconds": self.reasoning_seconds,
            "num_dropped": self.num_dropped,
        }


@dataclass(frozen=True)
class Ending:
    """What the row says of a settled answer."""

    state: MessageState
    finish_reason: str = ""
    error: ErrorInfo | None = None
    usage: Usage | None = None
    timings: Timings | None = None

    @classmethod
    def of(cls, event: Finished | Failed) -> Ending:
        if isinstance(event, Failed):
            state = (
                MessageState.INTERRUPTED
                if event.error.code in INTERRUPTING_CODES
                else MessageState.FAILED
            )
            return cls(state, error=event.error, usage=event.usage, timings=event.timings)
        cancelled = event.reason is FinishReason.CANCELLED
        state = MessageState.STOPPED if cancelled else MessageState.DONE
        return cls(state, event.reason.value, usage=event.usage, timings=event.timings)

    @property
    def is_refusal(self) -> bool:
        return self.error is not None and self.error.code in REFUSING_CODES


def checkpoint(message_id: UUID, *, state: MessageState, written: Written) -> None:
    """Keep what is there so far; a settled row, or one further on, stays as it is."""
    earlier = RUNNING_STATES[: RUNNING_STATES.index(state) + 1]
    Message.objects.filter(pk=message_id, state__in=earlier).update(state=state, **written.columns)


def settle(message_id: UUID, *, written: Written, ending: Ending) -> Message | None:
    """End the answer for good and return it. None: it is not there any more.

    That is so when its prompt was refused, for then the turn is undone.
    """
    with transaction.atomic():
        answers = Message.objects.select_related("parent", "conversation")
        answer = answers.filter(pk=message_id).first()
        if answer is None:
            return None
        if answer.is_running and ending.is_refusal and _is_only_answer(answer):
            _undo_turn(answer, ending.error)
            return None
        running = Message.objects.filter(pk=message_id).running()
        if running.update(**_columns(written, ending)):
            answer.model_name = written.model_name or answer.model_name
            _record_usage(answer, ending)
        answer.refresh_from_db()
        return answer


def _columns(written: Written, ending: Ending) -> dict[str, object]:
    columns: dict[str, object] = {
        **written.columns,
        "state": ending.state,
        "finish_reason": ending.finish_reason,
    }
    if ending.error:
        columns |= {"error_code": ending.error.code, "error_message": ending.error.message[:500]}
    if ending.usage:
        columns["prompt_tokens"] = ending.usage.prompt_tokens
        columns["completion_tokens"] = ending.usage.completion_tokens
    if ending.timings:
        columns["time_to_first_token"] = ending.timings.time_to_first_token
        columns["decode_seconds"] = ending.timings.decode
        columns["total_seconds"] = ending.timings.total
    return columns


def _record_usage(answer: Message, ending: Ending) -> None:
    """In the transaction that ends the answer: once, whatever happens."""
    usage.record(
        user_id=answer.conversation.owner_id,
        model_name=answer.model_name,
        prompt_tokens=ending.usage.prompt_tokens if ending.usage else 0,
        completion_tokens=ending.usage.completion_tokens if ending.usage else 0,
        seconds=ending.timings.total if ending.timings else 0.0,
        has_failed=ending.state == MessageState.FAILED,
    )


def _is_only_answer(answer: Message) -> bool:
    """A retry that is refused must not take the prompt away that earlier answers belong to."""
    return answer.parent is not None and answer.parent.children.count() == 1


def _undo_turn(answer: Message, error: ErrorInfo | None) -> None:
    prompt = answer.parent
    assert prompt is not None
    is_too_long = error is not None and error.code == ContextWindowExceeded.code
    Conversation.objects.filter(pk=answer.conversation_id).update(
        leaf=prompt.parent_id,
        draft=prompt.text,
        refusal=error.message[:500] if error else "",
        was_too_long=is_too_long and prompt.parent_id is not None,
    )
    prompt.delete()
