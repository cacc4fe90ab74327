"""Who may change a download: every step is one conditional UPDATE, so that a person's click and the
worker, or two workers, can't both win.

A lease is a worker's for `LEASE_SECONDS`, which it renews with each report of its progress. A worker
that is killed renews nothing, and another one takes over.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from models_app.models import ACTIVE_STATES, Download, DownloadState

# Longer than a transfer waits for a byte that does not come.
LEASE_SECONDS = 60
MOST_AT_ONCE = 2


class LeaseLost(Exception):
    """Somebody paused or cancelled it, or another worker has it: stop here, and change nothing."""


def request(
    *, repository: str = "", variant: str = "", url: str = "", with_projector: bool = False
) -> Download:
    """A new download; the one that is under way, if there is one."""
    try:
        with transaction.atomic():
            return Download.objects.create(
                repository=repository, variant=variant, url=url, with_projector=with_projector
            )
    except IntegrityError:
        under_way = [*ACTIVE_STATES, DownloadState.PAUSED]
        return Download.objects.get(
            repository=repository, variant=variant, url=url, state__in=under_way
        )


def pause(pk: UUID) -> bool:
    states = (DownloadState.QUEUED, DownloadState.RESOLVING, DownloadState.DOWNLOADING)
    return _change(pk, states, state=DownloadState.PAUSED)


def go_on(pk: UUID) -> bool:
    """Resume or retry. False as well when another download of the same model is under way."""
    try:
        with transaction.atomic():
            return _change(
                pk,
                (DownloadState.PAUSED, DownloadState.FAILED),
                state=DownloadState.QUEUED,
                reason="",
                finished_at=None,
            )
    except IntegrityError:
        return False


def cancel(pk: UUID) -> bool:
    states = (*ACTIVE_STATES, DownloadState.PAUSED, DownloadState.FAILED)
    return _change(pk, states, state=DownloadState.CANCELLED, finished_at=timezone.now())


def claim(owner: str) -> Download | None:
    """The oldest one that nobody works on, unless as many as may be are worked on."""
    with transaction.atomic():
        release_expired()
        if Download.objects.running().count() >= MOST_AT_ONCE:
            return None
        waiting = Download.objects.filter(state=DownloadState.QUEUED).order_by("created_at")
        for pk in waiting.values_list("pk", flat=True):
            if _change(
                pk,
                (DownloadState.QUEUED,),
                state=DownloadState.RESOLVING,
                lease_owner=owner,
                lease_until=_lease_end(),
            ):
                return Download.objects.get(pk=pk)
    return None


def release_expired(*, all_but: str | None = None) -> int:
    """Queue again what a dead worker left. `all_but`: leases of every other owner are over now, as one
    worker at a time has this data folder."""
    left = Download.objects.running()
    if all_but is None:
        left = left.filter(lease_until__lt=timezone.now())
    else:
        left = left.exclude(lease_owner=all_but)
    return left.update(state=DownloadState.QUEUED, lease_owner="", bytes_per_second=0)


def release(download: Download) -> None:
    """Back into the queue: another one has to end first. Raises LeaseLost."""
    renew(download, state=DownloadState.QUEUED)


def renew(download: Download, **changes: object) -> None:
    """Keep the lease, and note `changes`. Raises LeaseLost."""
    mine = Download.objects.running().filter(pk=download.pk, lease_owner=download.lease_owner)
    if not mine.update(lease_until=_lease_end(), **changes):
        raise LeaseLost
    for name, value in changes.items():
        setattr(download, name, value)


def end(download: Download, state: DownloadState, *, reason: str = "") -> None:
    """Give the lease back with the last state. Raises LeaseLost."""
    renew(
        download,
        state=state,
        reason=reason[:500],
        finished_at=timezone.now(),
        bytes_per_second=0,
    )


def _change(pk: UUID, states: tuple[DownloadState, ...], **changes: object) -> bool:
    if "lease_owner" not in changes:
        changes |= {"lease_owner": "", "bytes_per_second": 0}
    return bool(Download.objects.filter(pk=pk, state__in=states).update(**changes))


def _lease_end() -> object:
    return timezone.now() + timedelta(seconds=LEASE_SECONDS)
