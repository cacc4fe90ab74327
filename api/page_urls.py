"""Pages for people. What programs call is in `api.urls`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from api import key_pages
from api.reference_page import reference

app_name = "api_pages"
urlpatterns: list[URLPattern | URLResolver] = [
    path("account/keys/", key_pages.key_list, name="keys"),
    path("account/api/", reference, name="reference"),
    path("account/keys/<uuid:key_id>/revoke/", key_pages.revoke_key, name="revoke_key"),
]
