"""The only way to a conversation or message: through its owner. A foreign id is a missing one."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404

from accounts.models import User
from chat.models import Conversation, Message, MessageState


def get_conversation(user: User, conversation_id: UUID) -> Conversation:
    listed = Conversation.objects.owned_by(user).listed().select_related("model", "owner")
    return get_object_or_404(listed, pk=conversation_id)


def lock_conversation(user: User, conversation_id: UUID) -> Conversation:
    """The same, and nobody else changes it before the transaction ends."""
    listed = Conversation.objects.owned_by(user).listed().select_for_update()
    return get_object_or_404(listed, pk=conversation_id)


def get_deleted_conversation(user: User, conversation_id: UUID) -> Conversation:
    deleted = Conversation.objects.owned_by(user).exclude(deleted_at=None)
    return get_object_or_404(deleted, pk=conversation_id)


def get_running_answer(user: User, conversation_id: UUID) -> Message:
    """The answer that is being generated in this conversation."""
    answer = get_conversation(user, conversation_id).messages.running().last()
    if answer is None:
        raise Http404("nothing is being generated here")
    return answer


def get_message(user: User, conversation_id: UUID, message_id: UUID) -> Message:
    return get_object_or_404(get_conversation(user, conversation_id).messages, pk=message_id)


def get_answer(user: User, conversation_id: UUID, message_id: UUID) -> Message:
    """An answer that may be tried again: one that did not come to its own end."""
    answer = get_message(user, conversation_id, message_id)
    if answer.role != Message.Role.ASSISTANT or answer.state == MessageState.DONE:
        raise Http404("there is nothing to try again here")
    return answer
