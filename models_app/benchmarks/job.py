"""One benchmark from its claim to its end, in the worker or in the command that asked for it."""

from __future__ import annotations

import logging
import threading

import msgspec
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.db import transaction

from inference.errors import InferenceError
from inference.hardware.cpu import probe_cpu
from inference.types import ModelSpec, SamplingParams
from models_app import guide, placement
from models_app.answering import Answering
from models_app.benchmarks import states
from models_app.benchmarks.measuring import Figures, Measuring
from models_app.benchmarks.record import Benchmark, PromptSpeed
from models_app.benchmarks.states import LeaseLost
from models_app.engine import inference_client
from models_app.models import CatalogEntry, Download

logger = logging.getLogger(__name__)

_measuring = threading.Lock()

# Of a spec, what has nothing to do with speed.
NO_SETTINGS = {"model_id", "name", "path", "chat_template", "idle_unload_seconds", "is_pinned"}


def run_next(owner: str) -> bool:
    """Measure the oldest that waits, to its end. False: there was none, or one is being measured.

    One that was cancelled is over for everybody else before it has let go of its model; so the next one
    of this process waits for that, and whoever is at it takes the next one up.
    """
    if not _measuring.acquire(blocking=False):
        return False
    try:
        return _run_next(owner)
    finally:
        _measuring.release()


def _run_next(owner: str) -> bool:
    benchmark = states.claim(owner)
    if benchmark is None:
        return False
    logger.info("benchmark begins id=%s entry=%s", benchmark.pk, benchmark.entry_id)
    try:
        _run(benchmark)
    except LeaseLost:
        logger.info("benchmark left id=%s", benchmark.pk)
    return True


def _run(benchmark: Benchmark) -> None:
    try:
        _measure(benchmark)
    except LeaseLost:
        raise
    except InferenceError as error:
        states.fail(benchmark, str(error))
    except Exception:
        logger.exception("benchmark failed id=%s", benchmark.pk)
        states.fail(benchmark, "This is a fault of Minerva. See its log.")


def _measure(benchmark: Benchmark) -> None:
    entry = benchmark.entry
    if not entry.is_usable:
        states.fail(benchmark, entry.problem or "The file of this model is no longer there.")
        return

    def tell(step: str, fraction: float) -> bool:
        states.renew(benchmark, step=step, fraction=fraction)
        return Download.objects.running().exists()

    measuring = Measuring(
        inference_client(),
        entry.spec,
        sampling=_sampling_of(entry),
        generates=entry.can_chat,
        tell=sync_to_async(tell),
    )
    _store(benchmark, async_to_sync(measuring.run)())


def _store(benchmark: Benchmark, figures: Figures) -> None:
    status = figures.status
    with transaction.atomic():
        states.finish(
            benchmark,
            engine=status.engine,
            device=status.device,
            placement=placement.badge(status),
            fallback=status.fallback,
            settings=settings_told(benchmark.entry.spec)
            | {"context_window": status.context_window},
            disturbance=figures.disturbance[:500],
            load_seconds=figures.load_seconds,
            first_token_seconds=figures.first_token_seconds,
            num_generated=figures.num_generated,
            tokens_per_second=figures.tokens_per_second,
            memory=status.memory,
        )
        PromptSpeed.objects.bulk_create(
            PromptSpeed(
                benchmark=benchmark,
                target=reading.target,
                num_tokens=reading.num_tokens,
                seconds=reading.seconds,
            )
            for reading in figures.readings
        )
    logger.info(
        "benchmark done id=%s tokens_per_second=%s", benchmark.pk, figures.tokens_per_second
    )


def settings_told(spec: ModelSpec) -> dict[str, object]:
    """How it was loaded: its own settings, and the server's where it has none."""
    told: dict[str, object] = {}
    for name, value in msgspec.structs.asdict(spec).items():
        if name not in NO_SETTINGS:
            found = getattr(settings.CONFIGURATION, name, None) if value is None else value
            told |= {} if found is None else {name: found}
    told["threads"] = told["threads"] or probe_cpu().physical_cores
    told["gpu_layers"] = "all" if told["gpu_layers"] == -1 else told["gpu_layers"]
    return told


def _sampling_of(entry: CatalogEntry) -> SamplingParams:
    return guide.SAMPLING if entry.is_guide else Answering(entry.layers).sampling
