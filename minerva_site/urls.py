from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("chat.urls")),
    path("models/", include("models_app.urls")),
    path("", include("accounts.urls")),
]
