"""The path of messages that a conversation shows, and what of it is given to the model."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s
from uuid import UUID

from chat.models import Conversation, Message
from inference.types import ChatMessage, Role


def path_to(leaf_id: UUID | None, messages: Iterable[Message]) -> list[Message]:
    """From the root to the leaf, of all messages of one conversation."""
    by_id = {message.pk: message for message in messages}
    path: list[Message] = []
    message = by_id.get(leaf_id) if leaf_id else None
    while message:
        path.append(message)
        message = by_id.get(message.parent_id) if message.parent_id else None
    path.reverse()
    return path


def path_of(conversation: Conversation) -> list[Message]:
    """One query, however long the conversation is."""
    if conversation.leaf_id is None:
        return []
    return path_to(conversation.leaf_id, conversation.messages.all())


def history(path: Iterable[Message], *, system_prompt: str = "") -> tuple[ChatMessage, ...]:
    """What the model reads. An answer without text is left out, and the prompts around it become
    one, since many chat templates insist on user and assistant taking turns."""
    turns: list[tuple[Role, str]] = []
    for message in path:
        role: Role = "user" if message.role == Message.Role.USER else "assistant"
        if not message.text:
            continue
        if turns and turns[-1][0] == role:
            turns[-1] = (role, f"{turns[-1][1]}\n\n{message.text}")
        else:
            turns.append((role, message.text))
    if system_prompt:
        turns.insert(0, ("system", system_prompt))
    return tuple(ChatMessage(role=role, content=text) for role, text in turns)


def last_turns(path: list[Message], *, model_name: str) -> tuple[ChatMessage, ...]:
    """All that the built-in guide reads: the prompt, and the turn before if the answer to it was its
    own. Longer histories and other models' words confuse so small a model."""
    *earlier, prompt = path
    is_followed_up = earlier and earlier[-1].text and earlier[-1].model_name == model_name
    return history([*earlier[-2:], prompt] if is_followed_up else [prompt])


def version_of(conversation: Conversation, path: Iterable[Message]) -> str:
    """Names what a page shows: equal versions, equal transcripts (but for a running answer)."""
    digest = blake2s(conversation.refusal.encode(), digest_size=12)
    for message in path:
        digest.update(message.pk.bytes)
        digest.update(b"running" if message.is_running else message.state.encode())
    return digest.hexdigest()
