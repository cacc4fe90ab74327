"""What the pages of the models have in common."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from django import template
from django.urls import reverse

from models_app import placement
from models_app.grants import GrantForm
from models_app.hub.repository import Repository
from models_app.models import CatalogEntry

register = template.Library()

register.filter("placement", placement.badge)


@register.simple_tag
def grant_form(entry: CatalogEntry) -> GrantForm:
    """Which groups may use this model."""
    return GrantForm(entry)


@register.filter
def repository_url(name: str) -> str:
    """The page of “owner/name”."""
    return reverse("models:repository", args=name.split("/", 1))


@register.filter
def as_gguf_url(repository: Repository) -> str:
    """A search for the same model as GGUF."""
    words = urlencode({"q": repository.plain_name, "format": "gguf"}, quote_via=quote)
    return f"{reverse('models:discover')}?{words}"
