from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from minerva_site.csp_report import csp_report
from minerva_site.health import healthz, readyz
from minerva_site.sharing_page import sharing_page
from minerva_site.styleguide import styleguide

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("csp-report", csp_report, name="csp_report"),
    path("styleguide/", styleguide, name="styleguide"),
    path("sharing/", sharing_page, name="sharing"),
    path("", include("accounts.urls")),
    path("admin/", admin.site.urls),
    path("models/", include("models_app.urls")),
    path("", include("chat.urls")),
]
