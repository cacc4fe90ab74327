from __future__ import annotations

from django.urls import include, path

from minerva_site.styleguide import styleguide

urlpatterns = [
    path("", include("chat.urls")),
    path("models/", include("models_app.urls")),
    path("", include("accounts.urls")),
    path("styleguide/", styleguide, name="styleguide"),
]
