"""Where the bytes of a download are: apart until all of them are checked, and then at their place.

`.downloads/<id>/<number>.part` in the models folder has names of our own making only; the files of a folder for
MLX have their own below `.downloads/<id>/whole/`. `owner/name/file`, or such a folder, comes at once,
after a copy to its own file system if that is another: it is there whole, or not at all, and replaces nothing.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from django.conf import settings

from models_app.models import Download, DownloadFile

GIB = 1024**3
PIECE = 4 * 1024 * 1024
WHOLE = "whole"
Report = Callable[[int], None]


class DiskFull(Exception):
    """`str(error)` is the sentence with both numbers."""


class Busy(Exception):
    """Somebody else writes to it, and has not let go yet."""


def folder_of(pk: UUID) -> Path:
    return Path(settings.DOWNLOADS_DIR) / str(pk)


def part_of(file: DownloadFile) -> Path:
    own = folder_of(file.download_id)
    return own / WHOLE / file.name if file.folder else own / f"{file.number}.part"


def whole_folder(file: DownloadFile) -> Path:
    """Where the files of a folder are, until it is put in place."""
    return part_of(file).parent


def part_size(file: DownloadFile) -> int:
    try:
        return part_of(file).stat().st_size
    except FileNotFoundError:
        return 0


def uploaded_size(pk: UUID) -> int:
    """How much of an upload came; it is one file."""
    try:
        return (folder_of(pk) / "0.part").stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def alone(pk: UUID) -> Iterator[None]:
    """Never two writers, even if an earlier run hangs on a connection; a killed one is none. Raises Busy,
    and FileNotFoundError if its folder is gone."""
    descriptor = os.open(folder_of(pk) / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Busy from error
    try:
        yield
    finally:
        os.close(descriptor)


def place_of(download: Download, file: DownloadFile) -> Path:
    """Where it is going to be used. All names in it were checked when it was resolved."""
    others = "uploads" if download.is_upload else "downloads"
    return Path(settings.MODELS_DIR) / (download.repository or others) / file.name


def is_in_place(download: Download, file: DownloadFile, report: Report) -> bool:
    """It is there already. Raises FileExistsError for another file of its name, which is not ours to
    replace."""
    place = place_of(download, file)
    if not place.exists():
        return False
    # An upload that nobody gave a checksum for is in place only if it was put there by an earlier run,
    # which may have been killed before it took the part's own name away.
    part = part_of(file)
    is_told = bool(file.checksum) or not part.exists() or part.samefile(place)
    if not is_told or not _has_checksum(place, file, report):
        raise _another_file(file.name)
    return True


def missing_of(download: Download, files: list[DownloadFile], report: Report) -> list[DownloadFile]:
    """Those that are not in place. Raises FileExistsError for another file or folder of such a name."""
    missing = [file for file in files if not is_in_place(download, file, report)]
    if missing and missing[0].folder and os.path.lexists(place_of(download, missing[0]).parent):
        raise _another_folder(missing[0].folder)
    return missing


def check_space(num_bytes: int) -> None:
    """Raise DiskFull unless so many more bytes fit, with some to spare for everything else."""
    folder = Path(settings.MODELS_DIR)
    usage = shutil.disk_usage(folder)
    needed = num_bytes + min(2 * GIB, usage.total // 20)
    if usage.free < needed:
        raise DiskFull(
            f"The disk has {usage.free / GIB:.1f} GiB free, and {needed / GIB:.1f} GiB are needed with "
            "a reserve. Free some space, then retry: what is here already is kept."
        )


def check_folder(folder: Path) -> None:
    """Raise FileExistsError if it could not be made, as a file is where it belongs."""
    nearest = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
    if not nearest.is_dir():
        raise FileExistsError(
            errno.EEXIST, f"a file called {nearest.name} where its folder belongs"
        )


def is_full(error: OSError) -> bool:
    """There is no space, or no more of it for us."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_right(file: DownloadFile, report: Report) -> bool:
    """The part has the size and checksum that were promised. `report` is told of bytes read."""
    return _has_checksum(part_of(file), file, report)


def _has_checksum(path: Path, file: DownloadFile, report: Report) -> bool:
    kind, _, expected = file.checksum.partition(":")
    size = path.stat().st_size
    if file.size and size != file.size:
        return False
    if not file.checksum:
        return True
    # The hub names what is kept in git itself by git's own kind of name, which nothing is trusted by.
    digest = hashlib.sha256() if kind == "sha256" else hashlib.sha1(usedforsecurity=False)
    if kind == "git-sha1":
        digest.update(b"blob %d\0" % size)
    with path.open("rb") as content:
        while piece := content.read(PIECE):
            digest.update(piece)
            report(len(piece))
    return digest.hexdigest() == expected


def put_in_place(download: Download, files: list[DownloadFile], report: Report) -> None:
    """A folder at once. The first part of a split model comes last: without it the others are no model.
    Raises FileExistsError for another file or folder of such a name that came to be there meanwhile."""
    if files[0].folder:
        _put_folder_in_place(whole_folder(files[0]), place_of(download, files[0]).parent)
        return
    for file in reversed(files):
        place = place_of(download, file)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            _put_file_in_place(part_of(file), place)
        except FileExistsError:
            if not is_in_place(download, file, report):
                raise
        _sync(place.parent)


def _put_file_in_place(part: Path, place: Path) -> None:
    try:
        _move_to_free_place(part, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy_whole(part, place)


def _move_to_free_place(source: Path, place: Path) -> None:
    """Raises FileExistsError. A rename would replace what is there; another name for the file cannot."""
    try:
        os.link(source, place)
    except FileExistsError as error:
        raise _another_file(place.name) from error
    except OSError as error:
        # Not every file system gives a file two names (exFAT, some on the network): there, nothing is
        # replaced but what comes within this very moment. What else was wrong, the rename tells.
        if os.path.lexists(place):
            raise _another_file(place.name) from error
        os.rename(source, place)
    else:
        source.unlink()


def _put_folder_in_place(whole: Path, place: Path) -> None:
    """Raises FileExistsError if something came to be there meanwhile."""
    place.parent.mkdir(parents=True, exist_ok=True)
    _sync(whole)
    try:
        os.rename(whole, place)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _another_folder(place.name) from error
        if error.errno != errno.EXDEV:
            raise
        _copy_folder_whole(whole, place)
    _sync(place.parent)


def _copy_folder_whole(whole: Path, place: Path) -> None:
    """Under a hidden name until all of it is there, as in `copy_whole`."""
    hidden = _hidden(place, whole)
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir()
    try:
        for file in sorted(whole.iterdir()):
            copy_whole(file, hidden / file.name)
        _sync(hidden)
        os.rename(hidden, place)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _another_file(name: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, f"another file called {name} already")


def _another_folder(name: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, f"another folder called {name} already")


def copy_whole(source: Path, place: Path) -> None:
    """Under a hidden name until it is all there and on the disk: nobody ever sees half of it. Raises
    FileExistsError: nothing is replaced."""
    part = _hidden(place, source)
    # What a killed copy left may be another name of a file that is in use since: it is not written to.
    part.unlink(missing_ok=True)
    try:
        with source.open("rb") as content, part.open("xb") as target:
            shutil.copyfileobj(content, target, PIECE)
            target.flush()
            os.fsync(target.fileno())
        _move_to_free_place(part, place)
    finally:
        part.unlink(missing_ok=True)


def _hidden(place: Path, source: Path) -> Path:
    """The same each time, so that what a killed copy left does not stay; another one for what comes from
    elsewhere, as two may be copied to one place at once."""
    of = hashlib.sha256(os.fsencode(source) + b"\0" + os.fsencode(place.name))
    return place.with_name(f".{of.hexdigest()[:16]}.part")


def write_all(descriptor: int, piece: bytes) -> None:
    """One call may take less on a disk that fills up."""
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def remove_parts(pk: UUID) -> None:
    """Idempotent."""
    shutil.rmtree(folder_of(pk), ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
