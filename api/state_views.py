"""For those who look after the server: GET /metrics for Prometheus, /v1/stats, and /v1/health for all."""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse
from prometheus_client import Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from accounts.database import in_database
from accounts.key_models import Scope
from api.callers import Caller
from api.metrics import REGISTRY
from api.serving import as_json
from inference.types import ModelStatus, ServiceStatus
from models_app.loading import aservice_status
from models_app.models import CatalogEntry

_started_at = time.time()
STARTED = Gauge("minerva_web_start_time_seconds", "Unix time.", registry=REGISTRY)
STARTED.set(_started_at)
UP = Gauge("minerva_inference_up", "Whether the inference service answers.", registry=REGISTRY)
LOADED = Gauge("minerva_model_ready", "Loaded models.", ["model"], registry=REGISTRY)
RUNNING = Gauge("minerva_model_running", "Generations now.", ["model"], registry=REGISTRY)
WAITING = Gauge("minerva_model_waiting", "Generations in the queue.", ["model"], registry=REGISTRY)
MEMORY = Gauge("minerva_model_memory_bytes", "Resident memory.", ["model"], registry=REGISTRY)
BY_MODEL = (LOADED, RUNNING, WAITING, MEMORY)


async def metrics(request: HttpRequest, caller: Caller) -> HttpResponse:
    caller.require(Scope.MANAGE)
    service = await aservice_status()
    names = await _names(service)
    UP.set(service is not None)
    for gauge in BY_MODEL:
        gauge.clear()
    for status in service.models if service else ():
        _measure(names[status.model_id], status)
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


async def stats(request: HttpRequest, caller: Caller) -> HttpResponse:
    """What is loaded and who is busy, as JSON."""
    caller.require(Scope.MANAGE)
    service = await aservice_status()
    names = await _names(service)
    models = [
        {
            "id": names[one.model_id],
            "state": str(one.state),
            "loaded_fraction": one.fraction,
            "device": one.device,
            "fallback": one.fallback or None,
            "context_window": one.context_window or None,
            "running": one.num_running,
            "waiting": one.num_waiting,
            "memory_bytes": one.memory,
            "load_seconds": one.load_seconds,
        }
        for one in (service.models if service else ())
    ]
    return as_json(
        {
            "uptime_seconds": round(time.time() - _started_at, 1),
            "inference": "ok" if service else "does not answer",
            "generations": len(service.generations) if service else 0,
            "models": models,
        }
    )


async def health(request: HttpRequest) -> HttpResponse:
    """The process runs and answers. Without a key."""
    return as_json({"status": "ok"})


def _measure(name: str, status: ModelStatus) -> None:
    LOADED.labels(name).set(status.state == "ready")
    RUNNING.labels(name).set(status.num_running)
    WAITING.labels(name).set(status.num_waiting)
    MEMORY.labels(name).set(status.memory)


@in_database
def _names(service: ServiceStatus | None) -> dict[str, str]:
    ids = [one.model_id for one in service.models] if service else []
    named = {str(one.pk): one.name for one in CatalogEntry.objects.filter(pk__in=ids)}
    return {one: named.get(one, one) for one in ids}
