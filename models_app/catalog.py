"""Keeps the catalog equal to what lies in the model folders, and knows the default model."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F

from accounts.models import User
from inference.errors import ModelFileInvalid
from inference.gguf_header import GGUFHeader
from inference.gguf_metadata import one_line
from inference.gguf_model import PART_NAME, chats
from inference.hardware.mlx_install import WAY_OUT, mlx_problem
from inference.headers import read_headers
from inference.model_files import ModelFormat, ModelHeader, format_of
from models_app import folders, guide
from models_app.file_sampling import suggested
from models_app.model_files import FoundModel, ModelFolder, find_models, folder_of
from models_app.models import CatalogEntry

REFRESH_SECONDS = 3.0
UNHELPFUL_NAME = re.compile(r"[0-9a-fA-F]{32,}|.*[/\\].*|model|models|hub|\.", re.DOTALL)

logger = logging.getLogger(__name__)


def scan(*, reread: bool = False) -> None:
    """Bring the catalog up to date. Reads only files that changed, writes only rows that did.

    `reread`: read all of them again. Called by the worker each minute and, throttled (`refresh`),
    before a page shows the catalog; two scans at once do no harm.
    """
    entries = list(CatalogEntry.objects.here())
    guide.follow_moved_checkout(entries)
    known = {entry.path: entry for entry in entries}
    changed = []
    for found in _all_models():
        entry = known.pop(_stored(found.path), None)
        if reread or entry is None or entry.is_missing or _is_changed(entry, found):
            changed.append(found)
    for found, facts in _all_facts(changed):
        _record(found, facts)
    _mark_missing(known.values())
    _choose_first_default()


def refresh() -> None:
    """`scan`, unless this process did so within the last few seconds and nothing was put into or
    taken from a model folder since. (Changes further down show in a few seconds.)"""
    _throttle.run(scan, of=_folder_times())


def default_entry(user: User | None = None) -> CatalogEntry | None:
    """The model chosen as default; another usable one while that cannot be used, by this `user` if
    one is named; the guide last, and after it those of other servers, as nothing that is written here
    leaves this machine unless somebody chose that. None: there is none."""
    entries = CatalogEntry.objects.for_chat().select_related("own")
    if user is not None:
        entries = entries.usable_by(user)
    chosen_first = ("-is_default", F("server").asc(nulls_first=True), "is_guide", "name", "path")
    return entries.order_by(*chosen_first).first()


def api_default_entry() -> CatalogEntry | None:
    """What answers programs that name no model."""
    chosen = CatalogEntry.objects.for_chat().filter(own__is_api_default=True)
    return chosen.select_related("own").first() or default_entry()


def set_default(entry: CatalogEntry) -> None:
    with transaction.atomic():
        CatalogEntry.objects.filter(is_default=True).exclude(pk=entry.pk).update(is_default=False)
        CatalogEntry.objects.filter(pk=entry.pk).update(is_default=True)


def own_folder() -> ModelFolder:
    """The place to put a new model. Without a look into the database."""
    return folder_of(settings.MODEL_DIRS[0])


def model_folders() -> list[ModelFolder]:
    """Where models are looked for. The first is ours: the place to put a new one."""
    return [folder_of(path) for path in folders.model_dirs()]


class Throttle:
    """Runs an action at most once in `seconds` and in one thread at a time; others do without.
    It runs at once when what it is done `of` differs from the last time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self._due_at = float("-inf")
        self._last_of: object = None

    def run(self, action: Callable[[], None], *, of: object) -> None:
        if not self._lock.acquire(blocking=False):
            return
        try:
            if of != self._last_of or time.monotonic() >= self._due_at:
                action()
                self._last_of = of
                self._due_at = time.monotonic() + self._seconds
        finally:
            self._lock.release()


_throttle = Throttle(REFRESH_SECONDS)


def _folder_times() -> list[int]:
    """When something was last put into, taken from or renamed in each model folder."""
    return [_changed_at(folder) for folder in folders.model_dirs()]


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _all_models() -> list[FoundModel]:
    """The guide once, even if somebody names its folder among those of models."""
    own = guide.find_guide()
    others = [found for found in find_models(folders.model_dirs()) if not guide.is_guide(found)]
    return [*others, own] if own else others


def _is_changed(entry: CatalogEntry, found: FoundModel) -> bool:
    now = (found.size, found.modified_ns, found.num_files)
    is_same = (entry.size, entry.modified_ns, entry.num_files) == now
    return not is_same or _has_other_engine(entry)


def _missing_engine(path: Path) -> str:
    """Why it cannot be run here, whatever is in it; "": it can."""
    if format_of(path) is ModelFormat.GGUF:
        return ""
    return mlx_problem(settings.CONFIGURATION.mlx_python)


def _has_other_engine(entry: CatalogEntry) -> bool:
    """Its engine was set up since it was read, or is gone."""
    is_of_engine = not entry.problem or entry.problem.endswith(WAY_OUT)
    return is_of_engine and entry.problem != _missing_engine(Path(entry.path))


def _record(found: FoundModel, facts: dict[str, object]) -> None:
    entry, _ = CatalogEntry.objects.update_or_create(
        path=_stored(found.path),
        defaults={
            **facts,
            "size": found.size,
            "modified_ns": found.modified_ns,
            "num_files": found.num_files,
            "is_guide": guide.is_guide(found),
            "is_missing": False,
            # A new file is where a deleted one was.
            "removed_at": None,
        },
    )
    logger.info("model found entry=%s problem=%r", entry.pk, entry.problem)


def _all_facts(changed: Iterable[FoundModel]) -> Iterator[tuple[FoundModel, dict[str, object]]]:
    readable = []
    for found in changed:
        if _stored(found.path) == str(found.path):
            readable.append(found)
        else:
            yield found, _broken(found.path, "This file's name is not valid UTF-8. Rename it.")
    read = read_headers([found.path for found in readable])
    for found, header in zip(readable, read, strict=True):
        yield found, _facts(found.path, header)


def _facts(path: Path, read: ModelHeader | ModelFileInvalid) -> dict[str, object]:
    if not isinstance(read, ModelFileInvalid):
        return _usable(path, read)
    reason = read.facts.get("reason")
    return _broken(path, _sentence(read, path)) | {
        "is_incomplete": reason in ("truncated", "gone"),
        "is_projector": reason == "projector",
    }


def _usable(path: Path, header: ModelHeader) -> dict[str, object]:
    return {
        "name": _name(header, path),
        "architecture": header.architecture,
        "num_parameters": header.num_parameters,
        "quantization": header.quantization,
        "context_length": header.context_length,
        "has_chat_template": bool(header.chat_template),
        "can_chat": not isinstance(header, GGUFHeader) or chats(header),
        "sampling": suggested(path, header),
        "problem": _missing_engine(path),
        "is_incomplete": False,
        "is_projector": False,
    }


def _broken(path: Path, problem: str) -> dict[str, object]:
    return {
        "name": _name_of_file(path),
        "architecture": "",
        "num_parameters": 0,
        "quantization": "",
        "context_length": 0,
        "has_chat_template": False,
        "sampling": {},
        "problem": problem[:500],
        "is_incomplete": False,
        "is_projector": False,
    }


def _sentence(error: ModelFileInvalid, path: Path) -> str:
    if error.facts.get("reason") == "gone" and PART_NAME.fullmatch(path.name):
        return "Part 1 of this model is missing. Put all parts into one folder."
    return str(error)


def _name(header: ModelHeader, path: Path) -> str:
    """What the model calls itself, unless that is only a trace of how the file was made."""
    if header.name and not UNHELPFUL_NAME.fullmatch(header.name):
        return header.name
    return _name_of_file(path)


def _name_of_file(path: Path) -> str:
    match = PART_NAME.fullmatch(path.name)
    stem = path.stem if format_of(path) is ModelFormat.GGUF else path.name
    name = match["prefix"] if match else stem
    return one_line(name, limit=255) or "Model without a name"


def _stored(path: Path) -> str:
    """The path as a database can hold it; differs from the real one if that is not valid UTF-8."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _mark_missing(entries: Iterable[CatalogEntry]) -> None:
    gone = [entry.pk for entry in entries if not entry.is_missing]
    if gone:
        CatalogEntry.objects.filter(pk__in=gone).update(is_missing=True)
        logger.info("models gone count=%d", len(gone))


def _choose_first_default() -> None:
    if CatalogEntry.objects.filter(is_default=True).exists():
        return
    first = CatalogEntry.objects.for_chat().here().filter(is_guide=False).first()
    if first is not None:
        set_default(first)
