"""What pages show of downloads."""

from __future__ import annotations

from dataclasses import dataclass

from models_app.downloads import storage
from models_app.models import Download, DownloadState

MOST_SHOWN = 100


@dataclass(frozen=True)
class Downloads:
    rows: list[Download]
    num_active: int

    @property
    def is_changing(self) -> bool:
        coming = (one.state == DownloadState.UPLOADING and not one.is_stalled for one in self.rows)
        return self.num_active > 0 or any(coming)


def downloads_shown() -> Downloads:
    """The newest, and those under way before the others."""
    rows = list(Download.objects.shown()[:MOST_SHOWN])
    for one in rows:
        if one.state == DownloadState.UPLOADING:
            one.done_bytes = storage.uploaded_size(one.pk)
    rows.sort(key=lambda one: not (one.is_active or one.state == DownloadState.UPLOADING))
    return Downloads(rows, sum(one.is_active for one in rows))


def downloads_of(repository: str) -> dict[str, Download]:
    """By variant: the newest of each that has not failed, was not given up, and if it is ready is
    still in its place."""
    over = (DownloadState.CANCELLED, DownloadState.FAILED)
    found = Download.objects.filter(repository__iexact=repository).exclude(state__in=over)
    newest = found.prefetch_related("files").order_by("-created_at")[:MOST_SHOWN]
    return {one.variant: one for one in reversed(newest) if not _was_deleted(one)}


def _was_deleted(download: Download) -> bool:
    """Its files were put into the models folder, and taken from there since."""
    places = (storage.place_of(download, file) for file in download.files.all())
    return download.state == DownloadState.READY and not all(one.exists() for one in places)
