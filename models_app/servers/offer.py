"""What a server offers: its models by their names there."""

from __future__ import annotations

from typing import Any

import msgspec

from models_app.models import CatalogEntry
from models_app.servers.record import RemoteServer


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """`context_length` 0: the server does not say."""

    name: str
    context_length: int = 0
    can_chat: bool = True

    @property
    def facts(self) -> dict[str, object]:
        """As fields of its entry in the catalog."""
        return {"context_length": self.context_length, "can_chat": self.can_chat, "problem": ""}


def offer_of(server: RemoteServer) -> list[Offered]:
    """When it was asked last."""
    return msgspec.convert(server.offered, list[Offered])


def stored(offer: list[Offered]) -> list[dict[str, object]]:
    stored: list[dict[str, Any]] = msgspec.to_builtins(offer)
    return stored


def follow(server: RemoteServer) -> None:
    """The entries of its models say what it says of them now."""
    offer = {one.name: one for one in offer_of(server)}
    for entry in server.entries.all():
        one = offer.get(entry.remote_name)
        facts = one.facts if one else {"problem": f"{server.name} does not offer it any more."}
        CatalogEntry.objects.filter(pk=entry.pk).update(**facts)
