"""What the models page shows: the catalog joined with what is true of each model now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from inference.hardware.memory import probe_memory
from inference.types import ModelStatus, ServiceStatus
from models_app import catalog, removal
from models_app.loading import EntryStatus, service_status, status_of
from models_app.memory import Segment, memory_bar
from models_app.model_files import ModelFolder
from models_app.models import CatalogEntry
from models_app.templatetags.quantities import roughly_ago, size


@dataclass(frozen=True)
class ModelRow:
    """`done`: what it did since the service was started, loaded or not. None: nothing, or nobody knows."""

    entry: CatalogEntry
    status: EntryStatus
    is_default: bool
    done: ModelStatus | None = None

    @property
    def last_used(self) -> str:
        """ "": not since the service was started."""
        at = self.done.last_used_at if self.done else 0.0
        return roughly_ago(datetime.fromtimestamp(at, tz=UTC)) if at else ""

    @property
    def speed(self) -> str:
        """Tokens a second of one answer, in two digits; "": not known yet."""
        per_second = self.done.decode_rate if self.done else 0.0
        return f"{float(f'{per_second:.2g}'):,g}" if per_second else ""

    @property
    def can_be_deleted(self) -> bool:
        """Its files are ours, and nobody has them loaded."""
        is_in_use = self.status.can_unload or self.status.is_changing
        return not is_in_use and not removal.why_not(self.entry)

    @property
    def regained_bytes(self) -> int:
        return removal.regained_bytes(self.entry)


@dataclass(frozen=True)
class ModelsRegion:
    """`folders`: where models are looked for, the one to put new ones into first."""

    rows: list[ModelRow]
    missing: list[CatalogEntry]
    removed: list[CatalogEntry]
    folders: list[ModelFolder]
    is_service_reachable: bool
    memory: list[Segment]

    @property
    def is_only_guide(self) -> bool:
        """Nobody has added a model yet."""
        return all(row.entry.is_guide for row in self.rows)

    @property
    def fingerprint(self) -> str:
        """Another one as soon as a row would look otherwise; how far a load is does not count, as
        such a row asks for itself."""
        others = [str(one.pk) for one in (*self.missing, *self.removed)]
        shown = repr(([_shown(row) for row in self.rows], others, self.is_service_reachable))
        return hashlib.sha256(shown.encode()).hexdigest()[:16]


def models_region() -> ModelsRegion:
    service, default = service_status(), catalog.default_entry()
    entries = list(CatalogEntry.objects.present())
    names = {str(entry.pk): entry.name for entry in entries}
    return ModelsRegion(
        rows=[_row(entry, service, default) for entry in entries],
        missing=list(CatalogEntry.objects.missing()),
        removed=list(CatalogEntry.objects.removed()),
        folders=catalog.model_folders(),
        is_service_reachable=service is not None,
        memory=memory_bar(probe_memory(), service, names),
    )


def model_row(entry: CatalogEntry) -> ModelRow:
    return _row(entry, service_status(), catalog.default_entry())


def _row(
    entry: CatalogEntry, service: ServiceStatus | None, default: CatalogEntry | None
) -> ModelRow:
    done = service.done_by(str(entry.pk)) if service else None
    return ModelRow(entry, status_of(entry, service), is_default=entry == default, done=done)


def _shown(row: ModelRow) -> tuple[object, ...]:
    entry, status = row.entry, row.status
    loaded = status.status
    measured = (loaded.device, loaded.fallback, size(loaded.memory)) if loaded else ()
    facts = (str(entry.pk), entry.name, entry.problem, row.is_default, status.is_arriving)
    return (*facts, status.state.value, status.reason, row.last_used, row.speed, *measured)
