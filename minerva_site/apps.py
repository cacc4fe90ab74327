from __future__ import annotations

from django.apps import AppConfig


class MinervaSiteConfig(AppConfig):
    name = "minerva_site"
    verbose_name = "Minerva"

    def ready(self) -> None:
        from minerva_site import checks  # noqa: F401 -- registers the system checks
