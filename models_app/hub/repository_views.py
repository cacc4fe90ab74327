"""The page of one repository: what it is, what there is to download, and what of it runs here.

Its table of variants and its model card come on their own as well: the first follows the slider, the
second is asked for once the page is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from inference.gguf_header import GGUFHeader
from inference.types import KVCacheType
from models_app.access import staff_only
from models_app.downloads.overview import downloads_of
from models_app.fit import CONTEXT, Fit, Room, fit_of, fit_of_header, room_here
from models_app.hub.card import Card, card_of, has_card
from models_app.hub.errors import HubError, NotFound
from models_app.hub.headers import Unread, family_of, known_headers, known_problem, read_headers
from models_app.hub.quality import Quality, quality_of, recommended
from models_app.hub.recent import fresh, recent
from models_app.hub.reference import is_repository
from models_app.hub.repository import Repository, Variant
from models_app.hub.settings import hub
from models_app.models import Download

LONGEST_CONTEXT = 131_072
MOST_STEPS = 128


@dataclass(frozen=True)
class VariantRow:
    """`download` None: nobody has begun to download it."""

    variant: Variant
    quality: Quality
    fit: Fit
    is_recommended: bool
    is_wanted: bool
    download: Download | None


@dataclass(frozen=True)
class Question:
    """What the estimates are for, as the address says it. `with_projector`: where there is one."""

    context: int
    longest: int
    step: int
    kv_cache_type: KVCacheType
    with_projector: bool
    is_exact_wanted: bool

    @classmethod
    def of(cls, request: HttpRequest, shown: Repository) -> Question:
        longest = shown.context_length or LONGEST_CONTEXT
        step = max(128, 1 << (longest // MOST_STEPS - 1).bit_length()) if longest > 128 else 1
        asked = request.GET.get("context", "")
        is_number = asked.isascii() and asked.isdigit() and len(asked) < 12
        default = settings.CONFIGURATION.context_window or CONTEXT
        context = int(asked) if is_number else default
        return cls(
            context=min(max(context, step), longest),
            longest=longest,
            step=step,
            kv_cache_type=settings.CONFIGURATION.kv_cache_type,
            with_projector="with_projector" in request.GET or "context" not in request.GET,
            is_exact_wanted="exact" in request.GET,
        )


@dataclass(frozen=True)
class Variants:
    """`is_exact`: all estimates are made with the files' own numbers. `problem`: why these could not be
    read, if somebody tried."""

    rows: list[VariantRow]
    question: Question
    is_exact: bool
    problem: str


@staff_only
@require_GET
def repository(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    full_name, source = _known_name(owner, name), hub()
    try:
        shown = fresh(source, full_name)
        card = card_of(source, shown) if "card" in request.GET and has_card(shown) else None
    except HubError as error:
        problem = {"name": full_name, "problem": str(error)}
        status = 404 if isinstance(error, NotFound) else 502
        return render(request, "models_app/repository.html", problem, status=status)
    context = {
        "name": full_name,
        "repository": shown,
        "variants": _variants(request, shown),
        "address": f"{source.endpoint}/{full_name}",
        "has_card": has_card(shown),
        "card": card,
        **token_context(),
    }
    return render(request, "models_app/repository.html", context)


@staff_only
@require_GET
def variants(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The table alone, for what the slider says now."""
    full_name = _known_name(owner, name)
    try:
        shown = recent(hub(), full_name)
    except HubError as error:
        return render(request, "models_app/_hub_problem.html", {"problem": str(error)}, status=422)
    context = {"name": full_name, "repository": shown, "variants": _variants(request, shown)}
    return render(request, "models_app/_variants.html", context)


@staff_only
@require_GET
def card(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    full_name, source = _known_name(owner, name), hub()
    try:
        found: Card | None = card_of(source, recent(source, full_name))
        problem = ""
    except HubError as error:
        found, problem = None, str(error)
    context = {"name": full_name, "card": found, "card_problem": problem}
    context["address"] = f"{source.endpoint}/{full_name}"
    return render(request, "models_app/_card.html", context)


def token_context() -> dict[str, object]:
    """What the form of the hub's token shows."""
    source = hub()
    return {
        "host": source.host,
        "has_token": bool(source.token),
        "is_token_fixed": bool(settings.HUB_TOKEN),
    }


def _known_name(owner: str, name: str) -> str:
    full_name = f"{owner}/{name}"
    if not is_repository(full_name):
        raise Http404
    return full_name


def _variants(request: HttpRequest, shown: Repository) -> Variants:
    question = Question.of(request, shown)
    headers, problem = known_headers(shown), known_problem(shown)
    if question.is_exact_wanted:
        try:
            headers, problem = read_headers(hub(), shown), ""
        except Unread as error:
            problem = str(error)
    wanted = shown.named(request.GET.get("variant", ""), request.GET.get("file", ""))
    is_exact = all(family_of(one) in headers for one in shown.variants)
    return Variants(_rows(shown, question, headers, wanted), question, is_exact, problem)


def _rows(
    shown: Repository,
    question: Question,
    headers: dict[str, GGUFHeader],
    wanted: Variant | None,
) -> list[VariantRow]:
    room = room_here()
    fits = {one.label: _fit(one, shown, question, headers, room) for one in shown.variants}
    best = recommended([one for one in shown.variants if fits[one.label].runs])
    downloads = downloads_of(shown.name)
    return [
        VariantRow(
            one,
            quality_of(one),
            fits[one.label],
            one == best,
            one == wanted,
            downloads.get(one.label),
        )
        for one in shown.variants
    ]


def _fit(
    variant: Variant,
    shown: Repository,
    question: Question,
    headers: dict[str, GGUFHeader],
    room: Room,
) -> Fit:
    projector = sum(one.size for one in shown.projectors[:1]) * question.with_projector
    header = headers.get(family_of(variant))
    if header is None:
        return fit_of(
            variant.size,
            num_parameters=shown.num_parameters,
            room=room,
            context=question.context,
            kv_cache_type=question.kv_cache_type,
            projector=projector,
        )
    return fit_of_header(
        header,
        weights=variant.size,
        context=question.context,
        kv_cache_type=question.kv_cache_type,
        projector=projector,
        room=room,
    )
