"""Which model somebody means by a name: its own, an alias, its file's name, or its id."""

from __future__ import annotations

from pathlib import Path

from models_app.models import CatalogEntry


def named(name: str) -> CatalogEntry | None:
    """The one that is meant; None: nobody, or more than one has this name."""
    found = all_named(name)
    return found[0] if len(found) == 1 else None


def all_named(name: str) -> list[CatalogEntry]:
    """Those with this name of their own, else those whose file has it."""
    wanted = name.casefold()
    entries = list(CatalogEntry.objects.present().select_related("own"))
    for names_of in (own_names, _file_names):
        found = [entry for entry in entries if wanted in map(str.casefold, names_of(entry))]
        if found:
            return found
    return []


def own_names(entry: CatalogEntry) -> tuple[str, ...]:
    return (str(entry.pk), entry.name, *entry.settings.aliases.splitlines())


def _file_names(entry: CatalogEntry) -> tuple[str, ...]:
    return (entry.file_name, Path(entry.path).stem, entry.path)
