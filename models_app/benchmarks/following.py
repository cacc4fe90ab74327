"""A benchmark that a command waits for: the worker measures, or this process if there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from django.db import connection

from models_app.benchmarks import job, states
from models_app.benchmarks.record import Benchmark, BenchmarkState

LOOK_SECONDS = 0.25
COMMAND = "command:"


def follow(benchmark: Benchmark) -> Iterator[Benchmark]:
    """Its state now and then, until it changes no more."""
    owner = states.new_owner(COMMAND)
    while True:
        states.interrupt_expired()
        benchmark.refresh_from_db()
        yield benchmark
        if not benchmark.is_active:
            _wait_for(owner)
            return
        if benchmark.state == BenchmarkState.QUEUED:
            _work_beside(owner)
        time.sleep(LOOK_SECONDS)


def cancel(benchmark: Benchmark) -> None:
    """And wait for what this process does of it: it leaves the model as it was."""
    states.cancel(benchmark.pk)
    for thread in threading.enumerate():
        if thread.name.startswith(COMMAND):
            thread.join()


def _wait_for(owner: str) -> None:
    for thread in threading.enumerate():
        if thread.name == owner:
            thread.join()


def _work_beside(owner: str) -> None:
    """Unless a worker takes it first, who has the same claim to it."""
    if any(thread.name == owner for thread in threading.enumerate()):
        return

    def work() -> None:
        try:
            job.run_next(owner)
        finally:
            connection.close()

    threading.Thread(target=work, name=owner, daemon=True).start()
