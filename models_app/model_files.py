"""Which models lie in the model folders: GGUF files, and folders for MLX. Looks at names and sizes only;
opens no file.

Bounded: hidden names are passed over, links are followed but no folder is entered twice, and depth
and numbers have limits. Layouts: flat, `user/repo/file.gguf`, the Hugging Face cache.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from inference.gguf_model import PART_NAME, part_paths
from inference.mlx_folder import CONFIG, PICKLES

MAX_DEPTH = 5
MAX_FOLDERS = 5_000
MAX_FILES = 5_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundModel:
    """`size` and `modified_ns` together change whenever any of its files does."""

    path: Path
    size: int
    modified_ns: int
    num_files: int = 1


@dataclass(frozen=True)
class ModelFolder:
    """`problem` "": it can be read."""

    path: Path
    problem: str = ""


def find_models(folders: Iterable[Path]) -> list[FoundModel]:
    """Sorted by path. The parts of a split model are one, under the path of its first part."""
    entries = list(_walk(folders))
    parts: dict[Path, list[os.stat_result]] = {}
    for path, status in sorted(_gguf_files(entries)):
        parts.setdefault(_first_part(path), []).append(status)
    found = [_found(path, statuses) for path, statuses in parts.items()]
    return sorted([*found, *_mlx_folders(entries)], key=lambda model: model.path)


def find_model(path: Path) -> FoundModel | None:
    """The model in this one file; None: there is no such file."""
    try:
        return _found(path, [path.stat()])
    except OSError:
        return None


def folder_of(path: Path) -> ModelFolder:
    try:
        os.scandir(path).close()
    except FileNotFoundError:
        return ModelFolder(path, "This folder does not exist.")
    except NotADirectoryError:
        return ModelFolder(path, "This is not a folder.")
    except OSError as error:
        return ModelFolder(path, f"This folder cannot be read: {error.strerror}.")
    return ModelFolder(path)


def _found(path: Path, statuses: list[os.stat_result]) -> FoundModel:
    return FoundModel(
        path=path,
        size=sum(status.st_size for status in statuses),
        # A change of permissions shows only in ctime, and makes an unreadable file readable.
        modified_ns=max(max(status.st_mtime_ns, status.st_ctime_ns) for status in statuses),
        num_files=len(statuses),
    )


def _first_part(path: Path) -> Path:
    return part_paths(path)[0] if PART_NAME.fullmatch(path.name) else path


def _mlx_folders(entries: Iterable[os.DirEntry[str]]) -> Iterator[FoundModel]:
    """Those with a configuration and weights, also of a kind that is refused."""
    folders: dict[Path, list[os.DirEntry[str]]] = {}
    for entry in entries:
        folders.setdefault(Path(entry.path).parent, []).append(entry)
    for folder, files in folders.items():
        weights = [file for file in files if file.name.endswith((".safetensors", *PICKLES))]
        if not weights or all(file.name != CONFIG for file in files):
            continue
        has_gguf = any(file.name.lower().endswith(".gguf") for file in files)
        if has_gguf and not any(file.name.endswith(".safetensors") for file in weights):
            continue
        statuses = [status for file in files if (status := _status(file)) is not None]
        if statuses:
            yield replace(_found(folder, statuses), num_files=len(weights))


def _gguf_files(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[Path, os.stat_result]]:
    """Each file once, under the path that comes first."""
    seen: set[tuple[int, int]] = set()
    for entry in entries:
        if not entry.name.lower().endswith(".gguf"):
            continue
        status = _status(entry)
        if status is None or stat.S_ISDIR(status.st_mode):
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        yield Path(entry.path), status
        if len(seen) >= MAX_FILES:
            logger.warning("model folders: stopped after %d files", MAX_FILES)
            return


def _walk(folders: Iterable[Path]) -> Iterator[os.DirEntry[str]]:
    waiting = [(str(folder), 0) for folder in folders]
    entered: set[tuple[int, int]] = set()
    while waiting:
        folder, depth = waiting.pop(0)
        for entry in _entries(folder, entered):
            if depth < MAX_DEPTH and _is_folder(entry):
                waiting.append((entry.path, depth + 1))
            else:
                yield entry
        if len(entered) >= MAX_FOLDERS:
            logger.warning("model folders: stopped after %d folders", MAX_FOLDERS)
            return


def _entries(folder: str, entered: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """What is in `folder`; nothing if it was entered before or cannot be read."""
    try:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:
            return []
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        logger.debug("model folder skipped: %s", error)
        return []
    return sorted(visible, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None for a link that leads nowhere or in circles."""
    try:
        return entry.stat()
    except OSError:
        return None
