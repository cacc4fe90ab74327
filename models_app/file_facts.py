"""What a model's file says of itself, for the page of that model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inference.errors import ModelFileInvalid
from inference.headers import known_header
from inference.model_files import ModelHeader
from models_app.hub.answers import REASONING, TOOLS
from models_app.hub.repository import Capability
from models_app.models import CatalogEntry


@dataclass(frozen=True)
class FileFacts:
    """`capabilities`: those that its chat template tells of, as nothing else in a file does."""

    header: ModelHeader
    capabilities: tuple[Capability, ...]


def facts_of(entry: CatalogEntry) -> FileFacts | None:
    """None: the file cannot be read now, or is no model; or it is another server's."""
    if entry.is_remote:
        return None
    try:
        header = known_header(Path(entry.path))
    except ModelFileInvalid:
        return None
    return FileFacts(header, _capabilities(entry, header.chat_template))


def _capabilities(entry: CatalogEntry, template: str) -> tuple[Capability, ...]:
    if not entry.can_chat:
        return (Capability.EMBEDDINGS,)
    told = {
        Capability.CHAT: True,
        Capability.TOOLS: bool(TOOLS.search(template)),
        Capability.REASONING: bool(REASONING.search(template)),
    }
    return tuple(one for one, is_told in told.items() if is_told)
