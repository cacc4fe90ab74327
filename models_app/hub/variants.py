"""What of a repository can be downloaded: how good each is, and whether it runs here with a context of so many
tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.conf import settings
from django.http import HttpRequest

from inference.gguf_header import GGUFHeader
from inference.hardware.mlx_install import is_apple_silicon, mlx_problem
from inference.mlx_folder import MLXHeader
from models_app.downloads.overview import downloads_of
from models_app.fit import Fit, Room, fit_of, fit_of_header, room_here
from models_app.hub.folder_config import FolderConfig, known_config, read_config
from models_app.hub.headers import Unread, family_of, known_headers, known_problem, read_headers
from models_app.hub.quality import Quality, quality_of, recommended
from models_app.hub.question import Question
from models_app.hub.repository import Repository, Variant
from models_app.hub.settings import hub
from models_app.models import Download


@dataclass(frozen=True)
class VariantRow:
    """`download` None: nobody has begun to download it. `refusal`: why it is not fetched at all, `warning`: why it
    does not run here as this machine is set up."""

    variant: Variant
    quality: Quality
    fit: Fit
    download: Download | None
    is_recommended: bool = False
    is_wanted: bool = False
    refusal: str = ""
    warning: str = ""

    @property
    def runs(self) -> bool:
        return self.fit.runs and not self.refusal and not self.warning


@dataclass(frozen=True)
class Variants:
    """`is_exact`: all estimates are made with the files' own numbers. `problem`: why these could not be
    read, if somebody tried."""

    rows: list[VariantRow]
    question: Question
    is_exact: bool
    problem: str


@dataclass(frozen=True)
class _Known:
    """What was read at the hub: headers of GGUF files by family, and the configuration of a folder."""

    headers: dict[str, GGUFHeader]
    config: FolderConfig | None
    problem: str

    def header_of(self, variant: Variant) -> GGUFHeader | MLXHeader | None:
        if variant.is_folder:
            return self.config.header if self.config else None
        return self.headers.get(family_of(variant))

    def tells_of(self, variant: Variant) -> bool:
        is_refused = variant.is_folder and self.config is not None
        return is_refused or self.header_of(variant) is not None


def variants_of(request: HttpRequest, shown: Repository) -> Variants:
    known = _known(shown, is_exact_wanted="exact" in request.GET)
    header = known.config.header if known.config else None
    longest = shown.context_length or (header.context_length if header else 0)
    question = Question.of(request, longest=longest)
    wanted = shown.named(request.GET.get("variant", ""), request.GET.get("file", ""))
    rows = [replace(row, is_wanted=row.variant == wanted) for row in _rows(shown, question, known)]
    is_exact = all(known.tells_of(one) for one in shown.models)
    return Variants(rows, question, is_exact, known.problem)


def _known(shown: Repository, *, is_exact_wanted: bool) -> _Known:
    known = _Known(known_headers(shown), known_config(shown), known_problem(shown))
    if not is_exact_wanted:
        return known
    try:
        config = read_config(hub(), shown) if shown.folder else None
        return _Known(read_headers(hub(), shown), config, "")
    except Unread as error:
        return replace(known, problem=str(error))


def _rows(shown: Repository, question: Question, known: _Known) -> list[VariantRow]:
    room, downloads = room_here(), downloads_of(shown.name)
    rows = [
        VariantRow(
            one,
            _quality(one, shown, known),
            _fit(one, shown, question, known, room),
            downloads.get(one.label),
            refusal=known.config.refusal if one.is_folder and known.config else "",
            warning=mlx_problem(settings.CONFIGURATION.mlx_python) if one.is_folder else "",
        )
        for one in shown.models
    ]
    best = best_of([row for row in rows if row.runs])
    return [replace(row, is_recommended=row is best) for row in rows]


def best_of(runnable: list[VariantRow]) -> VariantRow | None:
    """What MLX runs on a machine that it is made for, and elsewhere if there is nothing else."""
    folder = next((row for row in runnable if row.variant.is_folder), None)
    by_variant = {row.variant: row for row in runnable if row is not folder}
    gguf = recommended(list(by_variant))
    if folder and (gguf is None or is_apple_silicon()):
        return folder
    return by_variant[gguf] if gguf else None


def _quality(variant: Variant, shown: Repository, known: _Known) -> Quality:
    """Weights for MLX that are not packed are as they were made."""
    if not variant.is_folder:
        return quality_of(variant)
    header = known.header_of(variant)
    label = header.quantization if header else shown.quantization
    return quality_of(replace(variant, label=label or "F16"))


def _fit(variant: Variant, shown: Repository, question: Question, known: _Known, room: Room) -> Fit:
    if variant.is_folder and not is_apple_silicon():
        room = Room(room.memory)
    is_with_projector = question.with_projector and not variant.is_folder
    projector = sum(one.size for one in shown.projectors[:1]) * is_with_projector
    header = known.header_of(variant)
    if header is None:
        return fit_of(
            variant.size,
            num_parameters=shown.num_parameters,
            room=room,
            context=question.context,
            kv_cache_type="f16" if variant.is_folder else question.kv_cache_type,
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
