"""Who may see and manage models: staff."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404

from accounts.access import staff_only as staff_only  # what the views here are guarded by
from models_app.models import CatalogEntry


def get_entry(entry_id: UUID) -> CatalogEntry:
    """Raises 404."""
    return get_object_or_404(CatalogEntry, pk=entry_id, is_projector=False)
