"""What the worker does for the catalog."""

from __future__ import annotations

import uuid

from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from models_app import catalog, preloading, removal
from models_app.benchmarks import job as benchmark_job
from models_app.benchmarks import states as benchmark_states
from models_app.downloads import states
from models_app.downloads.job import run_next

this_worker = uuid.uuid4().hex
measuring_worker = benchmark_states.new_owner(benchmark_states.WORKER)


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def scan_model_folders() -> None:
    catalog.scan()


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def purge_deleted_models() -> None:
    removal.purge(before=timezone.now() - removal.KEPT)


@db_task()  # type: ignore[untyped-decorator]
def run_downloads() -> None:
    """A doorbell: what waits is in the database."""
    while run_next(this_worker):
        pass


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def look_after_downloads() -> None:
    """Those whose worker died."""
    run_downloads()


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def preload_models() -> None:
    """At the worker's start, and after the inference service was restarted."""
    preloading.preload()


def take_over_downloads() -> None:
    """To be called when a worker starts: the one before it is dead, whatever its leases say."""
    states.release_expired(all_but=this_worker)
    for _ in range(states.MOST_AT_ONCE):
        run_downloads()


@db_task()  # type: ignore[untyped-decorator]
def run_benchmarks() -> None:
    """A doorbell: what waits is in the database, and one is measured at a time."""
    while benchmark_job.run_next(measuring_worker):
        pass


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def look_after_benchmarks() -> None:
    """Those whose command died, and those that wait for one that was a command's."""
    run_benchmarks()


def give_up_benchmarks() -> None:
    """To be called when a worker starts: the one before it is dead, and its measuring with it."""
    benchmark_states.interrupt_expired(all_workers_but=measuring_worker)
    run_benchmarks()
