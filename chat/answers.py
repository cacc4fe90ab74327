"""How the answers of a chat shall be: what the chat, its person and its model say, one over the other."""

from __future__ import annotations

from accounts.models import User
from chat.models import Conversation, ConversationSettings, PersonSettings
from models_app.answering import Answering, Layer
from models_app.models import CatalogEntry


def answering_of(conversation: Conversation, entry: CatalogEntry) -> Answering:
    own = Layer("this chat", settings_of_chat(conversation).own_values)
    return Answering([own, _person(conversation.owner_id), *entry.layers])


def behind_chat(conversation: Conversation, entry: CatalogEntry | None) -> Answering:
    """What holds where the chat itself says nothing."""
    return Answering([_person(conversation.owner_id), *(entry.layers if entry else [])])


def behind_person(entry: CatalogEntry | None) -> Answering:
    """What holds where a person says nothing, for this model."""
    return Answering(entry.layers if entry else [])


def settings_of_chat(conversation: Conversation) -> ConversationSettings:
    """Empty ones, which are stored nowhere, where nobody gave any."""
    found = ConversationSettings.objects.filter(conversation=conversation).first()
    return found or ConversationSettings(conversation=conversation)


def settings_of_person(user: User) -> PersonSettings:
    found = PersonSettings.objects.filter(user=user).first()
    return found or PersonSettings(user=user)


def _person(user_id: int) -> Layer:
    found = PersonSettings.objects.filter(user_id=user_id).first()
    return Layer("your settings", found.own_values if found else {})
