from __future__ import annotations

from django.contrib import admin

from accounts.read_only_admin import ListOnlyAdmin, ReadOnlyAdmin, ReadOnlyInline
from models_app.benchmarks.record import Benchmark, PromptSpeed
from models_app.models import CatalogEntry, Download, HubToken, RemoteServer, UsedFolder
from models_app.tuning import ModelSettings


class ModelSettingsInline(ReadOnlyInline):
    model = ModelSettings
    fk_name = "entry"


@admin.register(CatalogEntry)
class CatalogEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "architecture",
        "quantization",
        "size",
        "server",
        "problem",
        "is_default",
        "found_at",
    )
    list_select_related = ("server",)
    list_filter = ("architecture", "quantization", "is_missing", "is_projector", "can_chat")
    search_fields = ("name", "path")
    inlines = (ModelSettingsInline,)


@admin.register(ModelSettings)
class ModelSettingsAdmin(ReadOnlyAdmin):
    list_display = ("entry", "context_window", "gpu_layers", "threads", "kv_cache_type")
    list_select_related = ("entry",)


@admin.register(Download)
class DownloadAdmin(ListOnlyAdmin):
    """Without addresses: one may be signed, which makes it a key."""

    list_display = ("what", "state", "total_bytes", "done_bytes", "created_at", "finished_at")
    list_filter = ("state",)
    search_fields = ("repository", "variant")

    @admin.display(description="model")
    def what(self, download: Download) -> str:
        return f"{download.repository} {download.variant}".strip() or download.file_name


class PromptSpeedInline(ReadOnlyInline):
    model = PromptSpeed


@admin.register(Benchmark)
class BenchmarkAdmin(ReadOnlyAdmin):
    list_display = ("entry", "state", "tokens_per_second", "device", "created_at", "finished_at")
    list_filter = ("state",)
    list_select_related = ("entry",)
    exclude = ("lease_owner", "lease_until")
    inlines = (PromptSpeedInline,)


@admin.register(HubToken)
class HubTokenAdmin(ListOnlyAdmin):
    """That there is one, and since when."""

    list_display = ("__str__", "saved_at")


@admin.register(UsedFolder)
class UsedFolderAdmin(ReadOnlyAdmin):
    list_display = ("path", "added_at")


@admin.register(RemoteServer)
class RemoteServerAdmin(ListOnlyAdmin):
    """Without the key."""

    list_display = ("name", "base_url", "problem", "added_at", "last_checked_at")
    search_fields = ("name", "base_url")
