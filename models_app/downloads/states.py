"""Who may change a download: every step is one conditional UPDATE, so that a person's click and the
worker, or two workers, can't both win.

A lease is a worker's for `LEASE_SECONDS`, which it renews with each report of its progress. A worker
that is killed renews nothing, and another one takes over.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from models_app.models import UNFINISHED_STATES, Download, DownloadState

# Longer than a transfer waits for a byte that does not come.
LEASE_SECONDS = 60
# A page that uploads sends the next piece sooner, unless it is closed.
UPLOAD_SECONDS = 20
# One of huey's threads is left for everything else.
MOST_AT_ONCE = 3
MOST_OF_A_HOST = 2


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
        return Download.objects.get(
            repository=repository, variant=variant, url=url, state__in=UNFINISHED_STATES
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
    states = (*UNFINISHED_STATES, DownloadState.FAILED)
    return _change(pk, states, state=DownloadState.CANCELLED, finished_at=timezone.now())


def uploaded(pk: UUID) -> bool:
    """All of it came from the browser; the worker checks it and puts it in place."""
    whole = {"state": DownloadState.QUEUED, "done_bytes": F("total_bytes")}
    return _change(pk, (DownloadState.UPLOADING,), **whole)


def keep_uploading(download: Download) -> bool:
    """More of it came. False: it was cancelled, or is over. Told to the database now and then."""
    if download.state != DownloadState.UPLOADING:
        return False
    now = timezone.now()
    fresh_enough = now + timedelta(seconds=UPLOAD_SECONDS * 3 / 4)
    if download.lease_until is not None and download.lease_until > fresh_enough:
        return True
    lease_until = now + timedelta(seconds=UPLOAD_SECONDS)
    return _change(download.pk, (DownloadState.UPLOADING,), lease_until=lease_until)


def claim(owner: str) -> Download | None:
    """The oldest one that nobody works on, unless as many as may be are worked on, in all and of its
    host. Whoever ends one claims the next, so one that was passed over here is not forgotten."""
    with transaction.atomic():
        release_expired()
        running = Counter(one.host for one in Download.objects.running())
        if running.total() >= MOST_AT_ONCE:
            return None
        waiting = Download.objects.filter(state=DownloadState.QUEUED).order_by("created_at")
        for one in waiting:
            if one.host and running[one.host] >= MOST_OF_A_HOST:
                continue
            if _change(
                one.pk,
                (DownloadState.QUEUED,),
                state=DownloadState.RESOLVING,
                lease_owner=owner,
                lease_until=_lease_end(),
            ):
                return Download.objects.get(pk=one.pk)
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
