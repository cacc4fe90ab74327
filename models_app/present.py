"""What the page of one model shows: what is true of it now, as the service has measured it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from asgiref.sync import async_to_sync
from django.conf import settings

from inference.errors import ServiceUnavailable
from inference.hardware.machine import this_machine
from inference.types import (
    BreakerState,
    BreakerStatus,
    ModelDetails,
    ModelState,
    ServiceStatus,
)
from models_app import placement
from models_app.engine import inference_client
from models_app.failures import Advice, advice_for, breaker_told
from models_app.fit import room_here
from models_app.loading import STATUS_TIMEOUT_SECONDS, EntryStatus, LoadState, status_of
from models_app.models import CatalogEntry


@dataclass(frozen=True)
class Present:
    """`details` None: the service does not answer. Dates are None where there was nothing yet."""

    entry: CatalogEntry
    status: EntryStatus
    details: ModelDetails | None

    @property
    def badge(self) -> str:
        return placement.badge(self.details.status) if self.details else ""

    @property
    def why_not_gpu(self) -> str:
        if self.details is None:
            return ""
        own = self.entry.settings.gpu_layers
        return placement.why_not_gpu(
            self.details.status,
            log_tail=self.details.log_tail,
            wanted_layers=settings.CONFIGURATION.gpu_layers if own is None else own,
            machine=this_machine(),
            can_use_gpu=room_here().gpu > 0,
        )

    @property
    def advice(self) -> Advice | None:
        error = self.status.status.error if self.status.status else None
        return advice_for(error) if error else None

    @property
    def breaker(self) -> BreakerStatus | None:
        """None: nothing has gone wrong lately."""
        told = self.details.status.breaker if self.details else BreakerStatus()
        return told if told.failures or told.state is not BreakerState.CLOSED else None

    @property
    def breaker_told(self) -> str:
        return breaker_told(self.breaker, now=time.time()) if self.breaker else ""

    @property
    def failures(self) -> list[tuple[datetime | None, str]]:
        """The last first."""
        told = self.breaker.failures if self.breaker else ()
        return [(_date(one.at), one.message) for one in reversed(told)]

    @property
    def load_word(self) -> str:
        """Of the button that starts it, whatever was made of its failures."""
        if self.breaker and self.breaker.state is not BreakerState.CLOSED:
            return "Try now"
        if self.status.state is LoadState.FAILED:
            return "Retry"
        return "Connect" if self.entry.is_remote else "Load"

    @property
    def loaded_at(self) -> datetime | None:
        return _date(self.details.status.loaded_at) if self.details else None

    @property
    def last_used_at(self) -> datetime | None:
        return _date(self.details.status.last_used_at) if self.details else None


def present(entry: CatalogEntry) -> Present:
    details = _details(str(entry.pk))
    service = _service_of(details)
    return Present(entry, status_of(entry, service), details)


def _details(model_id: str) -> ModelDetails | None:
    """None: the service does not answer."""
    try:
        return async_to_sync(inference_client(timeout=STATUS_TIMEOUT_SECONDS).details)(model_id)
    except ServiceUnavailable:
        return None


def _service_of(details: ModelDetails | None) -> ServiceStatus | None:
    """As if all had been asked for: one question instead of two that may differ."""
    if details is None:
        return None
    is_unloaded = details.status.state is ModelState.UNLOADED
    return ServiceStatus(pid=0, models=() if is_unloaded else (details.status,))


def _date(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds else None
