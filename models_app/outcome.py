"""What will happen when a model is loaded, told before it happens: who goes, who is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.text import get_text_list

from accounts.models import User
from inference.types import Affected, LoadPlan, ModelSpec
from models_app import loading
from models_app.models import CatalogEntry
from models_app.templatetags.quantities import duration, size


@dataclass(frozen=True)
class Outcome:
    """`verdict`: that of the plan, or "unknown". `sentences` for the person who is about to load it."""

    verdict: str
    sentences: list[str]

    @property
    def is_harmless(self) -> bool:
        """Nobody else has anything of it."""
        return self.verdict in ("loaded", "alone", "unknown")


def outcome_of(spec: ModelSpec) -> Outcome:
    plan = loading.foresee(spec)
    if plan is None:
        text = "The inference service does not answer, so what would happen is not known."
        return Outcome("unknown", [text])
    if plan.verdict == "loaded":
        return Outcome("loaded", ["It is loaded like this already."])
    if plan.verdict == "never":
        return Outcome("never", [_too_large(plan)])
    if not plan.models:
        return Outcome("alone", ["Nothing else has to leave the memory."])
    names = _names(plan.models)
    if plan.verdict == "waits":
        return Outcome("waits", [_waits(one, names) for one in plan.models])
    return Outcome("fits", [_goes(one, names) for one in plan.models])


def _too_large(plan: LoadPlan) -> str:
    free = size(max(plan.free, 0))
    return f"It needs {size(plan.needed)} and {free} are free, so loading will be refused."


def _goes(one: Affected, names: dict[str, str]) -> str:
    return f"{names[one.model_id]} leaves the memory. Nobody has used it for {duration(one.idle_seconds)}."


def _waits(one: Affected, names: dict[str, str]) -> str:
    people = get_text_list(_people(one.users), "and") or "somebody"
    return f"It waits until {names[one.model_id]} is done: {people} is getting an answer."


def _people(users: Sequence[str]) -> list[str]:
    ids = [int(user) for user in users if user.isdecimal()]
    names = list(
        User.objects.filter(pk__in=ids).order_by("username").values_list("username", flat=True)
    )
    return [*names[:3], *([f"{len(names) - 3} more"] if len(names) > 3 else [])]


def _names(models: Sequence[Affected]) -> dict[str, str]:
    known = CatalogEntry.objects.in_bulk([one.model_id for one in models])
    names = {str(pk): entry.name for pk, entry in known.items()}
    return {one.model_id: names.get(one.model_id, "A model that was removed") for one in models}
