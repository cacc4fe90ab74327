"""Which model answers in another's place: the settings of models, as a chain for one person."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import msgspec

from inference.types import ModelSpec
from models_app.models import CatalogEntry, CatalogEntryQuerySet
from models_app.tuning import ModelSettings

# So many others at most: each may take minutes to fail.
MAX_FALLBACKS = 3

Find = Callable[[UUID], CatalogEntry | None]


def routed_spec(entry: CatalogEntry, find: Find) -> ModelSpec:
    """With those who answer in its place. `find`: a model of this id, if whoever asks may chat with it;
    with the first that is not found the chain ends. Costs nothing for a model without a fallback."""
    chain = [entry]
    while (other := _next(chain[-1], find)) and other not in chain and len(chain) <= MAX_FALLBACKS:
        chain.append(other)
    spec: ModelSpec | None = None
    for link in reversed(chain):
        spec = msgspec.structs.replace(link.spec, fallback=spec)
    assert spec is not None
    return spec


def chain_of(spec: ModelSpec) -> list[ModelSpec]:
    """Itself first."""
    return [spec, *(chain_of(spec.fallback) if spec.fallback else ())]


def among(usable: CatalogEntryQuerySet) -> Find:
    """One query for each model of a chain."""
    entries = usable.select_related("own")
    return lambda pk: entries.filter(pk=pk).first()


def candidates(entry: CatalogEntry) -> CatalogEntryQuerySet:
    """Who may be chosen to answer in its place. The guide knows nothing but Minerva."""
    return CatalogEntry.objects.for_chat().filter(is_guide=False).exclude(pk=entry.pk)


def problem_of(entry: CatalogEntry, fallback: CatalogEntry) -> str:
    """Why it cannot be this model's fallback, for who chose it; "": it can."""
    names = [entry.name, fallback.name]
    seen, chosen = {entry.pk}, fallback
    while chosen.pk not in seen:
        if len(seen) > MAX_FALLBACKS:
            return f"This chain has more than {MAX_FALLBACKS} others: {' → '.join(names)}."
        seen.add(chosen.pk)
        following = ModelSettings.objects.filter(entry=chosen).select_related("fallback").first()
        if following is None or following.fallback is None:
            return ""
        chosen = following.fallback
        names.append(chosen.name)
    return f"They would go round in a circle: {' → '.join(names)}."


def _next(entry: CatalogEntry, find: Find) -> CatalogEntry | None:
    pk = entry.settings.fallback_id
    return find(pk) if pk and not entry.is_guide else None
