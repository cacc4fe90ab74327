"""Models that are loaded before anybody asks: once for each inference service that runs."""

from __future__ import annotations

import logging

from inference.errors import InferenceError
from models_app import loading
from models_app.models import CatalogEntry

logger = logging.getLogger(__name__)

# Of the service that was told, by its process; of this process of ours alone.
_told: set[int] = set()


def preload() -> None:
    """Returns at once when this service was told before. The pinned ones first: they stay."""
    service = loading.service_status()
    if service is None or service.pid in _told:
        return
    chosen = CatalogEntry.objects.usable().filter(own__is_preloaded=True).select_related("own")
    for entry in chosen.order_by("-own__is_pinned", "name"):
        _load(entry)
    _told.add(service.pid)


def _load(entry: CatalogEntry) -> None:
    try:
        loading.load(entry)
    except InferenceError as error:
        logger.warning("not preloaded entry=%s reason=%s", entry.pk, error)
