"""What a browser says of the page that it shows, when it asks for a part of one."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


def shown_page(request: HttpRequest) -> str:
    """Path and query of the page that the request came from; "" where that is none of ours. Raises nothing:
    the header may hold anything."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    try:
        return (htmx and htmx.current_url_abs_path) or ""
    except ValueError:  # of urlsplit
        return ""
