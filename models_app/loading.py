"""What is true of a model now: its file's state joined with what the inference service says of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from asgiref.sync import async_to_sync

from inference.errors import InvalidRequest, ServiceUnavailable
from inference.types import (
    LoadPlan,
    ModelSpec,
    ModelState,
    ModelStatus,
    ServiceStatus,
)
from models_app.engine import inference_client
from models_app.models import CatalogEntry

# A page is not kept waiting for a service that restarts; it says so and can be reloaded.
STATUS_TIMEOUT_SECONDS = 1.0

SERVICE_UNREACHABLE = "The inference service does not answer. It is probably being restarted."


class LoadState(StrEnum):
    """The service's five states, and three that only the catalog knows."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    UNLOADING = "unloading"
    FAILED = "failed"
    BROKEN = "broken"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class EntryStatus:
    """`reason`: one sentence for everybody. `log_tail`: for staff only. `status`: set when resident."""

    state: LoadState
    reason: str = ""
    log_tail: str = ""
    status: ModelStatus | None = None
    is_arriving: bool = False
    is_remote: bool = False

    @property
    def label(self) -> str:
        if self.is_arriving:
            return "Incomplete"
        if self.is_remote and self.state in _REMOTE_LABELS:
            return _REMOTE_LABELS[self.state]
        if self.state is LoadState.LOADING:
            return f"Loading {self.percent} %"
        return _LABELS[self.state]

    @property
    def percent(self) -> int:
        """How much of the model is loaded; 100 only when it is ready."""
        return min(99, int(self.status.fraction * 100)) if self.status else 0

    @property
    def is_changing(self) -> bool:
        """Will be another state soon, by itself."""
        return self.state in (LoadState.LOADING, LoadState.UNLOADING) or self.is_arriving

    @property
    def can_load(self) -> bool:
        return self.state in (LoadState.UNLOADED, LoadState.FAILED)

    @property
    def can_unload(self) -> bool:
        return self.state in (LoadState.LOADING, LoadState.READY)


_LABELS = {
    LoadState.UNLOADED: "Unloaded",
    LoadState.LOADING: "Loading",
    LoadState.READY: "Ready",
    LoadState.UNLOADING: "Unloading",
    LoadState.FAILED: "Failed",
    LoadState.BROKEN: "Broken",
    LoadState.MISSING: "Missing",
    LoadState.UNKNOWN: "Unknown",
}
# Nothing of it is loaded here.
_REMOTE_LABELS = {
    LoadState.UNLOADED: "Not connected",
    LoadState.LOADING: "Connecting",
    LoadState.UNLOADING: "Disconnecting",
}


async def aservice_status() -> ServiceStatus | None:
    """None: the service does not answer."""
    try:
        return await inference_client(timeout=STATUS_TIMEOUT_SECONDS).status()
    except ServiceUnavailable:
        return None


def service_status() -> ServiceStatus | None:
    """`aservice_status` for a view of its own thread."""
    return async_to_sync(aservice_status)()


def status_of(entry: CatalogEntry, service: ServiceStatus | None) -> EntryStatus:
    """`service` None: it does not answer."""
    if entry.is_missing:
        return EntryStatus(LoadState.MISSING, "The file is no longer where it was.")
    if entry.problem:
        return EntryStatus(LoadState.BROKEN, entry.problem, is_arriving=entry.is_arriving)
    if service is None:
        return EntryStatus(LoadState.UNKNOWN, SERVICE_UNREACHABLE)
    return _resident(service.of(str(entry.pk)), is_remote=entry.is_remote)


def load(entry: CatalogEntry) -> None:
    """Begin to load it, or join a load; what it was left alone for is forgotten. Raises
    InferenceError."""
    if not entry.is_usable:
        raise InvalidRequest(entry.problem or "The file of this model is no longer there.")
    async_to_sync(inference_client().load)(entry.spec)


def foresee(spec: ModelSpec) -> LoadPlan | None:
    """What loading it would do now. None: the service does not answer."""
    try:
        return async_to_sync(inference_client(timeout=STATUS_TIMEOUT_SECONDS).foresee)(spec)
    except ServiceUnavailable:
        return None


def unload(entry: CatalogEntry) -> None:
    """Take it out of memory, even in mid-answer. Raises InferenceError."""
    async_to_sync(inference_client().unload)(str(entry.pk))


def _resident(status: ModelStatus | None, *, is_remote: bool) -> EntryStatus:
    if status is None or status.state is ModelState.UNLOADED:
        return EntryStatus(LoadState.UNLOADED, is_remote=is_remote)
    error = status.error
    return EntryStatus(
        LoadState(status.state.value),
        reason=error.message if error else "",
        log_tail=str(error.facts.get("log_tail", "")) if error else "",
        status=status,
        is_remote=is_remote,
    )
