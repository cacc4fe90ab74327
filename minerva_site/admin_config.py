from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class MinervaAdminConfig(AdminConfig):
    default_site = "minerva_site.admin_site.MinervaAdminSite"
