"""What every page of the models has: how many downloads are under way."""

from __future__ import annotations

from django import template
from django.urls import reverse

from models_app.downloads.overview import num_active_downloads
from models_app.grants import GrantForm

register = template.Library()

register.simple_tag(num_active_downloads)
register.simple_tag(GrantForm, name="grant_form")


@register.filter
def repository_url(name: str) -> str:
    """The page of “owner/name”."""
    return reverse("models:repository", args=name.split("/", 1))
