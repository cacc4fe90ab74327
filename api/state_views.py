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
from api.targets import usable_models
from inference.types import ModelStatus, ServiceStatus
from models_app.loading import aservice_status

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
    names = await _names(service, caller)
    UP.set(service is not None)
    for gauge in BY_MODEL:
        gauge.clear()
    for status in service.models if service else ():
        if name := names.get(status.model_id):
            _measure(name, status)
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


async def stats(request: HttpRequest, caller: Caller) -> HttpResponse:
    """What is loaded and who is busy, as JSON."""
    caller.require(Scope.MANAGE)
    service = await aservice_status()
    names = await _names(service, caller)
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
        if one.model_id in names
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
def _names(service: ServiceStatus | None, caller: Caller) -> dict[str, str]:
    """What GET /v1/models calls them, of those that the key is for; by their ids. One that is gone from there
    and still loaded has its id, for keys that are for all."""
    is_for_all = caller.key is None or not caller.key.model_ids
    ids = [one.model_id for one in service.models] if service and is_for_all else []
    return {one: one for one in ids} | {
        str(one.pk): name for name, one in usable_models(caller).items()
    }
