"""GET /v1/models and one of them; load and unload for programs that manage."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from accounts.database import in_database
from accounts.key_models import Scope
from api.callers import Caller
from api.serving import as_json
from api.targets import no_such_model, usable_models
from inference.errors import ServiceUnavailable
from inference.types import ServiceStatus
from models_app import catalog, engine
from models_app.loading import aservice_status, status_of
from models_app.models import CatalogEntry
from models_app.naming import resolve

OWNER = "minerva"


async def list_models(request: HttpRequest, caller: Caller) -> HttpResponse:
    entries, service = await _entries(caller), await aservice_status()
    listed = [described(name, entry, service) for name, entry in entries.items()]
    return as_json({"object": "list", "data": listed})


async def get_model(request: HttpRequest, caller: Caller, model: str) -> HttpResponse:
    name, entry = await _named(caller, model)
    return as_json(described(name, entry, await aservice_status()))


async def load_model(request: HttpRequest, caller: Caller, model: str) -> HttpResponse:
    """Begins to, and answers at once: `state` in GET /v1/models/… tells how far it is."""
    caller.require(Scope.MANAGE)
    name, entry = await _named(caller, model)
    await engine.inference_client().load(entry.spec)
    return as_json(described(name, entry, await _status()), status=202)


async def unload_model(request: HttpRequest, caller: Caller, model: str) -> HttpResponse:
    """Even in mid-answer. A model that is not loaded is unloaded already."""
    caller.require(Scope.MANAGE)
    name, entry = await _named(caller, model)
    await engine.inference_client().unload(str(entry.pk))
    return as_json(described(name, entry, await _status()), status=202)


def described(name: str, entry: CatalogEntry, service: ServiceStatus | None) -> dict[str, Any]:
    """OpenAI's fields, Anthropic's, and what only we know."""
    status = status_of(entry, service)
    window = status.status.context_window if status.status else 0
    return {
        "id": name,
        "object": "model",
        "created": int(entry.found_at.timestamp()),
        "owned_by": OWNER,
        "type": "model",
        "display_name": entry.name,
        "created_at": entry.found_at.isoformat(),
        "state": str(status.state),
        "can_chat": entry.can_chat,
        "architecture": entry.architecture,
        "num_parameters": entry.num_parameters,
        "quantization": entry.quantization,
        "size": entry.size,
        "max_context_window": entry.context_length,
        "runs_on": entry.server.name if entry.server else None,
        "context_window": window or None,
    }


@in_database
def _entries(caller: Caller) -> dict[str, CatalogEntry]:
    catalog.refresh()
    return usable_models(caller)


@in_database
def _named(caller: Caller, model: str) -> tuple[str, CatalogEntry]:
    entries = usable_models(caller)
    entry = resolve(model, entries)
    for name, one in entries.items():
        if entry is not None and one.pk == entry.pk:
            return name, one
    raise no_such_model(model)


async def _status() -> ServiceStatus | None:
    try:
        return await engine.inference_client().status()
    except ServiceUnavailable:
        return None
