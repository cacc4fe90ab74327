"""Deleting a model's files: aside at once, gone for good after a while, and back until then.

Only files in Minerva's own models folder: those of other folders are used in place and belong to
somebody else. A model that is loaded, or is being loaded, is in use.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from inference import mlx_folder
from inference.errors import InvalidRequest
from inference.model_files import ModelFormat, own_paths
from models_app import catalog, folders, loading
from models_app.file_sampling import CONFIG
from models_app.models import CatalogEntry

logger = logging.getLogger(__name__)

# How long it can be undone.
KEPT = timedelta(minutes=10)


def why_not(entry: CatalogEntry) -> str:
    """Why its files are not ours to delete; "" if they are."""
    if entry.is_guide:
        return "The built-in guide belongs to Minerva."
    if entry.is_remote:
        return f"It is on {entry.server}. The page Servers takes it off the list."
    is_ours = Path(entry.path).is_relative_to(settings.MODELS_DIR)
    if not is_ours or _is_linked_to_used_folder(entry):
        return "It is in a folder of yours, where Minerva deletes nothing."
    return ""


def regained_bytes(entry: CatalogEntry) -> int:
    """What the disk has more afterwards: nothing for a link, or for a file with another name."""
    if entry.is_remote:
        return 0
    found = [path.lstat() for path in _paths_of(entry) if os.path.lexists(path)]
    return sum(one.st_size for one in found if one.st_nlink == 1)


def remove(entry: CatalogEntry) -> None:
    """Raises InvalidRequest, and OSError of the disk."""
    if reason := why_not(entry):
        raise InvalidRequest(reason)
    status = loading.status_of(entry, loading.service_status())
    if status.can_unload or status.is_changing:
        raise InvalidRequest(f"{entry.name} is in use. Unload it, then delete it.")
    if status.state is loading.LoadState.UNKNOWN:
        raise InvalidRequest(loading.SERVICE_UNREACHABLE + " Nothing was deleted.")
    _put_aside(entry)
    entry.is_default = False
    entry.save(update_fields=["is_default"])
    logger.info("model deleted entry=%s", entry.pk)
    catalog.scan()


def restore(entry: CatalogEntry) -> None:
    """Raises InvalidRequest if another file has taken its place or its own are gone, and OSError."""
    is_there = any(os.path.lexists(path) for path in own_paths(Path(entry.path)))
    is_aside = bool(_places_below(_folder_of(entry)))
    if is_there and is_aside:
        raise InvalidRequest("Another file of its name is there now, so it stays deleted.")
    # One that is there and not aside was never moved: whoever deleted it was killed on the way.
    if not is_there and not is_aside:
        raise InvalidRequest("Its files are gone for good, so it stays deleted.")
    _move(entry, _folder_of(entry), settings.MODELS_DIR)
    shutil.rmtree(_folder_of(entry), ignore_errors=True)
    entry.removed_at = None
    entry.save(update_fields=["removed_at"])
    catalog.scan()


def purge(*, before: datetime) -> int:
    """Really delete what was deleted before this moment; returns how many models."""
    trashes = {Path(settings.TRASH_DIR), *map(_trash_of, CatalogEntry.objects.removed())}
    found = [one for trash in trashes for one in trash.glob("*")]
    # Asked only now: what is put aside from here on was not found, and of what was found this is told.
    kept = {str(pk) for pk in _ids(CatalogEntry.objects.filter(removed_at__gte=before))}
    doomed = [one for one in found if one.name not in kept]
    for folder in doomed:
        shutil.rmtree(folder, ignore_errors=True)
        logger.info("model purged entry=%s", folder.name)
    CatalogEntry.objects.filter(removed_at__lt=before).delete()
    return len(doomed)


def _is_linked_to_used_folder(entry: CatalogEntry) -> bool:
    """A link among our models may lead to another disk, which is ours as well; or into a folder of somebody
    else's that is used in place. A file that is a link itself is ours: nothing but the link goes."""
    path = Path(entry.path)
    folder = path if entry.format is ModelFormat.MLX else path.parent
    real = _real(folder)
    if real.is_relative_to(_real(Path(settings.MODELS_DIR))):
        return False
    return any(real.is_relative_to(_real(used)) for used in folders.model_dirs()[1:])


def _real(path: Path) -> Path:
    """Where it leads, whether it is there or not."""
    return Path(os.path.realpath(path))


def _put_aside(entry: CatalogEntry) -> None:
    """When it was deleted is noted first: `purge` may look at any moment, and takes what has no such note
    for long deleted."""
    entry.removed_at = timezone.now()
    entry.save(update_fields=["removed_at"])
    try:
        _move(entry, settings.MODELS_DIR, _folder_of(entry))
    except (InvalidRequest, OSError):
        entry.removed_at = None
        entry.save(update_fields=["removed_at"])
        raise


def _ids(entries: QuerySet[CatalogEntry]) -> Iterable[UUID]:
    return entries.values_list("pk", flat=True)


def _folder_of(entry: CatalogEntry) -> Path:
    return _trash_of(entry) / str(entry.pk)


def _trash_of(entry: CatalogEntry) -> Path:
    """On the file system of its files: a folder among the models may be another disk, and a deleted
    model is neither copied nor gone at once."""
    folder = Path(entry.path).parent
    while not folder.is_dir():
        folder = folder.parent
    top, device = Path(settings.MODELS_DIR), folder.stat().st_dev
    if not folder.is_relative_to(top) or device == top.stat().st_dev:
        return Path(settings.TRASH_DIR)
    while folder != top and folder.parent.stat().st_dev == device:
        folder = folder.parent
    return folder / Path(settings.TRASH_DIR).name


def _paths_of(entry: CatalogEntry) -> list[Path]:
    """What is in its folder; or its parts, and how it wants to be sampled if no other model lies in their
    folder."""
    parts = own_paths(Path(entry.path))
    if entry.format is ModelFormat.MLX:
        return parts
    beside = parts[0].with_name(CONFIG)
    others = set(beside.parent.glob("*.gguf")) - set(parts)
    is_shared = bool(others) or beside.with_name(mlx_folder.CONFIG).exists()
    return parts if is_shared or beside.parent == settings.MODELS_DIR else [*parts, beside]


def _places_of(entry: CatalogEntry, source: Path) -> list[Path]:
    """Of its files, which lie below `source` now. All that was put aside comes back, whatever lies beside its
    place meanwhile, but for what another model brought there."""
    top = Path(settings.MODELS_DIR)
    if source == _folder_of(entry):
        return [place for place in _places_below(source) if not os.path.lexists(top / place)]
    return [path.relative_to(top) for path in _paths_of(entry)]


def _places_below(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder) for path in found)


def _move(entry: CatalogEntry, source: Path, target: Path) -> None:
    """All its files, with their place below the folder; or none of them. Raises InvalidRequest for a file
    that is a mount of its own."""
    moved: list[tuple[Path, Path]] = []
    below = Path(entry.path).relative_to(settings.MODELS_DIR)
    try:
        for place in _places_of(entry, source):
            if os.path.lexists(source / place):
                (target / place).parent.mkdir(parents=True, exist_ok=True)
                os.rename(source / place, target / place)
                moved.append((source / place, target / place))
    except OSError as error:
        for before, after in reversed(moved):
            os.rename(after, before)
        if error.errno in (errno.EXDEV, errno.EBUSY):
            raise _cannot_be_moved(entry) from error
        raise
    is_file = entry.format is ModelFormat.GGUF
    _leave_no_empty_folder(source / (below.parent if is_file else below), source)


def _cannot_be_moved(entry: CatalogEntry) -> InvalidRequest:
    return InvalidRequest(
        f"{entry.name} cannot be moved where it lies, as its file is mounted by itself or its folder is. "
        "Delete it by hand: Minerva notices."
    )


def _leave_no_empty_folder(folder: Path, top: Path) -> None:
    while folder != top:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
