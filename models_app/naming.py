"""Which model somebody means by a name. What programs call a model: its name, or one of its other names;
where several share it, with what tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import UUID

from models_app import catalog
from models_app.models import CatalogEntry

DEFAULT = "default"
ID_LENGTH = 8


def api_names(entries: Iterable[CatalogEntry]) -> dict[str, CatalogEntry]:
    """Each entry once, by the name that programs use: `Name`, `Name:Q4_K_M` or `Name#1f3c9a02`."""
    entries = list(entries)
    names = Counter(entry.name for entry in entries)
    quantized = Counter(_quantized(entry) for entry in entries)
    return {_name(entry, names, quantized): entry for entry in entries}


def resolve(name: str, names: Mapping[str, CatalogEntry]) -> CatalogEntry | None:
    """The entry that a program means: by name, in any case, by id, by one of its other names, or
    `default`. `names`: as of `api_names`, with their own settings, which are else read one by one."""
    if name in ("", DEFAULT):
        default = catalog.api_default_entry()
        return _by_id(default.pk, names.values()) if default else None
    return (
        names.get(name)
        or _by_id(_id_in(name), names.values())
        or _by_case(name, names)
        or _by_alias(name, names.values())
    )


def _name(entry: CatalogEntry, names: Counter[str], quantized: Counter[str]) -> str:
    """Another model may be called "A:Q8_0": then its own name is its, and this one gets an id."""
    if names[entry.name] == 1:
        return entry.name
    if quantized[_quantized(entry)] == 1 and _quantized(entry) not in names:
        return _quantized(entry)
    return f"{entry.name}#{entry.pk.hex[:ID_LENGTH]}"


def _quantized(entry: CatalogEntry) -> str:
    return f"{entry.name}:{entry.quantization}" if entry.quantization else entry.name


def _id_in(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None


def _by_id(wanted: UUID | None, entries: Iterable[CatalogEntry]) -> CatalogEntry | None:
    return next((entry for entry in entries if entry.pk == wanted), None)


def _by_case(name: str, names: Mapping[str, CatalogEntry]) -> CatalogEntry | None:
    folded = [entry for own, entry in names.items() if own.casefold() == name.casefold()]
    return folded[0] if len(folded) == 1 else None


def _by_alias(name: str, entries: Iterable[CatalogEntry]) -> CatalogEntry | None:
    wanted = name.casefold()
    return next((entry for entry in entries if wanted in map(str.casefold, aliases(entry))), None)


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
    return (str(entry.pk), entry.name, *aliases(entry))


def aliases(entry: CatalogEntry) -> list[str]:
    return entry.settings.aliases.splitlines()


def _file_names(entry: CatalogEntry) -> tuple[str, ...]:
    return (entry.file_name, Path(entry.path).stem, entry.path)
