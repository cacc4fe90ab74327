"""The choice of a model in the header: what can be used, and what is true of each now."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import sync_to_async

from accounts.models import User
from chat.models import Conversation
from models_app import catalog, loading
from models_app.loading import EntryStatus
from models_app.models import CatalogEntry


@dataclass(frozen=True)
class Choice:
    entry: CatalogEntry
    status: EntryStatus
    is_chosen: bool


@dataclass(frozen=True)
class Picker:
    """`conversation` None: a chat that does not exist yet."""

    choices: list[Choice]
    conversation: Conversation | None = None

    @property
    def chosen(self) -> Choice | None:
        return next((choice for choice in self.choices if choice.is_chosen), None)


async def picker_for(
    user: User, conversation: Conversation | None = None, *, chosen_id: UUID | None = None
) -> Picker:
    """What this person may use. `chosen_id`: a choice that is not stored anywhere yet."""
    entries, chosen = await sync_to_async(_entries)(user, conversation, chosen_id)
    service = await loading.aservice_status()
    choices = [
        Choice(entry, loading.status_of(entry, service), is_chosen=entry == chosen)
        for entry in entries
    ]
    return Picker(choices, conversation)


def _entries(
    user: User, conversation: Conversation | None, chosen_id: UUID | None
) -> tuple[list[CatalogEntry], CatalogEntry | None]:
    catalog.refresh()
    entries = list(CatalogEntry.objects.for_chat().usable_by(user))
    wanted = chosen_id or (conversation.model_id if conversation else None)
    chosen = next((entry for entry in entries if entry.pk == wanted), None)
    return entries, chosen or catalog.default_entry(user)
