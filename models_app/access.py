"""Who may see and manage models: staff. Who may use them: everybody who is signed in."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404

from accounts.access import staff_only as staff_only  # what the views here are guarded by
from accounts.models import User
from models_app.models import CatalogEntry, CatalogEntryQuerySet


def get_entry(entry_id: UUID) -> CatalogEntry:
    """Raises 404."""
    return get_object_or_404(CatalogEntry, pk=entry_id, is_projector=False)


def models_for(user: User) -> CatalogEntryQuerySet:
    """What this person, and a program in their name, may use."""
    if not user.is_active:
        return CatalogEntry.objects.none()
    return CatalogEntry.objects.usable().usable_by(user)
