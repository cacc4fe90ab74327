"""Who may change a benchmark: every step is one conditional UPDATE, so that a person's click and whoever
measures can't both win.

A lease is renewed every half second. Who is killed renews nothing; a measurement can't be taken up by
another, so it is interrupted, and says so.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from models_app.benchmarks.record import Benchmark, BenchmarkState
from models_app.models import CatalogEntry

LEASE_SECONDS = 20
WORKER = "worker:"
INTERRUPTED = "The process that measured was ended in the middle of it. Start it again."


class LeaseLost(Exception):
    """Somebody cancelled it, or it was taken for dead: stop here, and change nothing."""


def new_owner(kind: str) -> str:
    return f"{kind}{uuid.uuid4().hex}"


def request(entry: CatalogEntry) -> Benchmark:
    """A new one; the one that is under way, if there is one."""
    try:
        with transaction.atomic():
            return Benchmark.objects.create(entry=entry)
    except IntegrityError:
        return Benchmark.objects.active().get(entry=entry)


def cancel(pk: UUID) -> bool:
    return bool(_end(Benchmark.objects.active().filter(pk=pk), BenchmarkState.CANCELLED))


def claim(owner: str) -> Benchmark | None:
    """The oldest that waits, unless one is being measured: two at once would measure each other."""
    with transaction.atomic():
        interrupt_expired()
        if Benchmark.objects.running().exists():
            return None
        waiting = Benchmark.objects.filter(state=BenchmarkState.QUEUED).order_by("created_at")
        first = waiting.select_related("entry__own").first()
        if first is None:
            return None
        first.state, first.lease_owner = BenchmarkState.RUNNING, owner
        first.lease_until = _lease_end()
        first.save(update_fields=["state", "lease_owner", "lease_until"])
        return first


def interrupt_expired(*, all_workers_but: str = "") -> int:
    """`all_workers_but`: leases of every other worker are over now, as there is one at a time."""
    running = Benchmark.objects.running()
    expired = running.filter(lease_until__lt=timezone.now())
    if all_workers_but:
        expired |= running.filter(lease_owner__startswith=WORKER).exclude(
            lease_owner=all_workers_but
        )
    return _end(expired, BenchmarkState.INTERRUPTED, reason=INTERRUPTED)


def renew(benchmark: Benchmark, *, step: str, fraction: float) -> None:
    """Keep the lease, and note how far it is. Raises LeaseLost."""
    _change(benchmark, lease_until=_lease_end(), step=step, fraction=fraction)


def finish(benchmark: Benchmark, **figures: object) -> None:
    """Give the lease back, with what was measured. Raises LeaseLost."""
    _change(benchmark, **figures, **_ended(BenchmarkState.DONE))


def fail(benchmark: Benchmark, reason: str) -> None:
    """Raises LeaseLost."""
    _change(benchmark, **_ended(BenchmarkState.FAILED, reason=reason))


def _change(benchmark: Benchmark, **changes: object) -> None:
    mine = Benchmark.objects.running().filter(pk=benchmark.pk, lease_owner=benchmark.lease_owner)
    if not mine.update(**changes):
        raise LeaseLost


def _end(found: QuerySet[Benchmark], state: BenchmarkState, *, reason: str = "") -> int:
    return found.update(**_ended(state, reason=reason))


def _ended(state: BenchmarkState, *, reason: str = "") -> dict[str, object]:
    return {
        "state": state,
        "reason": reason[:500],
        "step": "",
        "finished_at": timezone.now(),
        "lease_owner": "",
        "lease_until": None,
    }


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=LEASE_SECONDS)
