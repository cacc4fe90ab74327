"""What the pages of the models have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

from django import template
from django.conf import settings
from django.urls import reverse

from models_app import folders, placement
from models_app.grants import GrantForm
from models_app.hub.repository import Repository
from models_app.models import CatalogEntry, UsedFolder

register = template.Library()

register.filter("placement", placement.badge)


@register.simple_tag
def grant_form(entry: CatalogEntry) -> GrantForm:
    """Which groups may use this model."""
    return GrantForm(entry)


@register.simple_tag
def used_folders() -> dict[str, Sequence[object]]:
    """Those that are used in place, those of the settings, and those of other programs that could be."""
    used = list(UsedFolder.objects.all())
    paths = [*settings.MODEL_DIRS, *(Path(one.path) for one in used)]
    fixed = settings.MODEL_DIRS[1:]
    return {"used": used, "fixed": fixed, "known": folders.known_places(paths)}


@register.filter
def repository_url(name: str) -> str:
    """The page of “owner/name”."""
    return reverse("models:repository", args=name.split("/", 1))


@register.filter
def as_gguf_url(repository: Repository) -> str:
    """A search for the same model as GGUF."""
    words = urlencode({"q": repository.plain_name, "format": "gguf"}, quote_via=quote)
    return f"{reverse('models:discover')}?{words}"
