from __future__ import annotations

from django.contrib import admin

from accounts.read_only_admin import ReadOnlyAdmin
from minerva_site.models import Heartbeat


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ("name", "beat_at")
