"""From state to the HTML of a socket frame. No logic but which template; may run in any thread.

Every top-level element of a frame is swapped by its id or its `hx-swap-oob` selector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString

from chat.models import Conversation, Message
from rendering import StreamRenderer

PIECE_CHARACTERS = 10_000


@dataclass(frozen=True)
class Piece:
    """A part of a text, to be added to what the element with this id has of it."""

    dom_id: str
    html: SafeString


def message(message: Message, *, has_text: bool = True) -> SafeString:
    """An article as pages show it, with the text that is stored or with room for it."""
    context = {
        "message": message,
        "text": message.text if has_text else "",
        "reasoning": message.reasoning if has_text else "",
    }
    return render_to_string("chat/_message.html", context)


def pieces_of(message: Message) -> list[Piece]:
    """The text of an article that was sent without it."""
    if message.role == Message.Role.USER:
        return _plain_pieces(f"{message.dom_id}-text", message.text)
    renderer = StreamRenderer()
    renderer.feed(message.text)
    answer = [Piece(f"{message.dom_id}-text", part) for part in renderer.finish().blocks]
    return [*_plain_pieces(f"{message.dom_id}-reasoning", message.reasoning), *answer]


def _plain_pieces(dom_id: str, text: str) -> list[Piece]:
    starts = range(0, len(text), PIECE_CHARACTERS)
    return [Piece(dom_id, escape(text[start : start + PIECE_CHARACTERS])) for start in starts]


def pieces(pieces: Sequence[Piece]) -> SafeString:
    return render_to_string("chat/_pieces.html", {"pieces": pieces})


def transcript(*, is_reset: bool, removed: Sequence[UUID], articles: Sequence[str]) -> str:
    return render_to_string(
        "chat/_transcript_update.html",
        {"is_reset": is_reset, "removed": removed, "articles": articles},
    )


def composer(conversation: Conversation, *, version: str, running: Message | None) -> str:
    """What surrounds the transcript: Send or Stop, and why a prompt came back."""
    return render_to_string(
        "chat/_composer_update.html",
        {"conversation": conversation, "version": version, "running": running, "oob": True},
    )


def answer(
    dom_id: str,
    *,
    is_first: bool,
    blocks: SafeString,
    tail: SafeString | None,
    status: str | None,
    state: str,
    reasoning: str = "",
    reasoning_line: str | None = None,
    detour: str = "",
    model_name: str = "",
) -> str:
    """`tail`, `status` and `reasoning_line` None, `detour` "": as they were. `reasoning`: further text of
    it. `model_name`: who answers, where that is told by a detour."""
    return render_to_string(
        "chat/_answer_update.html",
        {
            "dom_id": dom_id,
            "is_first": is_first,
            "blocks": blocks,
            "tail": tail,
            "status": status,
            "state": state,
            "reasoning": reasoning,
            "reasoning_line": reasoning_line,
            "detour": detour,
            "model_name": model_name,
        },
    )


def ending(message: Message) -> str:
    return render_to_string("chat/_answer_end.html", {"message": message, "oob": True})
