"""The built-in guide: the tiny model in the repository that answers questions about Minerva.

It is a model like every other, but it belongs to Minerva: it is always in the catalog, it is the
default only until there is another model, and it cannot be removed. `scripts/guide` makes it.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from inference.types import SamplingParams
from models_app.model_files import FoundModel, find_model
from models_app.models import CatalogEntry

# It was trained to choose between known answers: the likeliest token is always the right one to take.
SAMPLING = SamplingParams(temperature=0.0, max_tokens=256)


def find_guide() -> FoundModel | None:
    """None: this copy of Minerva came without it."""
    return find_model(settings.GUIDE_FILE)


def is_guide(found: FoundModel) -> bool:
    return found.path == settings.GUIDE_FILE


def follow_moved_checkout(entries: Iterable[CatalogEntry]) -> None:
    """The guide's entry stays the same one when Minerva's folder is somewhere else now."""
    path = str(settings.GUIDE_FILE)
    for entry in entries:
        if entry.is_guide and entry.path != path:
            entry.path = path
            entry.save(update_fields=["path"])
