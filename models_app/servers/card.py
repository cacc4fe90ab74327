"""What the page shows of a server: what it offers, and which of that is used here."""

from __future__ import annotations

from dataclasses import dataclass

from models_app.models import CatalogEntry
from models_app.servers.offer import Offered, offer_of
from models_app.servers.record import RemoteServer


@dataclass(frozen=True)
class OfferedModel:
    """`entry` None: it is not used here. `is_offered`: else the server has taken it away."""

    name: str
    context_length: int
    can_chat: bool
    entry: CatalogEntry | None
    is_offered: bool = True


@dataclass(frozen=True)
class ServerCard:
    server: RemoteServer
    models: list[OfferedModel]

    @property
    def num_used(self) -> int:
        return sum(one.entry is not None for one in self.models)


def cards() -> list[ServerCard]:
    return [card_of(server) for server in RemoteServer.objects.prefetch_related("entries")]


def card_of(server: RemoteServer) -> ServerCard:
    used = {entry.remote_name: entry for entry in server.entries.all()}
    offer = [_offered(one, used.pop(one.name, None)) for one in offer_of(server)]
    gone = [_gone(entry) for entry in used.values()]
    return ServerCard(server, [*offer, *gone])


def _offered(one: Offered, entry: CatalogEntry | None) -> OfferedModel:
    return OfferedModel(one.name, one.context_length, one.can_chat, entry)


def _gone(entry: CatalogEntry) -> OfferedModel:
    return OfferedModel(
        entry.remote_name, entry.context_length, entry.can_chat, entry, is_offered=False
    )
