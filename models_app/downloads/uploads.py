"""A GGUF file that a browser sends in pieces. What came stays when the page is closed; whoever chooses the
same file again goes on from there.

The size of its part is the truth about how much came. When all of it is there, the worker checks it and
puts it in place as it does with a download: until then nothing of it is listed.
"""

from __future__ import annotations

import os
from http import HTTPStatus
from uuid import UUID

from django.db import IntegrityError, transaction

from models_app.downloads import states, storage
from models_app.downloads.storage import GIB, Busy, DiskFull
from models_app.hub.names import is_safe_path
from models_app.models import UPLOAD_SCHEME, Download, DownloadFile, DownloadState

MAX_BYTES = 200 * GIB
# As much as the web server takes at once.
MAX_CHUNK = 1024 * 1024
MOST_UNFINISHED = 8
SYNC_BYTES = 64 * 1024 * 1024


class Refused(Exception):
    """`str(error)` is for the person who uploads. `status` of HTTP."""

    def __init__(self, sentence: str, status: HTTPStatus) -> None:
        super().__init__(sentence)
        self.status = status


class OtherOffset(Exception):
    """Not there, but from `offset` on."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def begin(*, name: str, size: int, modified: int, sha256: str = "") -> Download:
    """A new upload, or the unfinished one of the same file. Raises Refused."""
    _check(name, size)
    unfinished = Download.objects.filter(url=UPLOAD_SCHEME + name, state=DownloadState.UPLOADING)
    download = unfinished.first() or _new(name, size, modified, sha256)
    if (download.total_bytes, download.revision) != (size, str(modified)):
        raise Refused(
            f"Another file called {name} is half uploaded. Choose that one, or cancel it below.",
            HTTPStatus.CONFLICT,
        )
    if sha256:
        _expect(download, f"sha256:{sha256}")
    storage.folder_of(download.pk).mkdir(parents=True, exist_ok=True)
    states.keep_uploading(download)
    return download


def append(download: Download, *, offset: int, chunk: bytes) -> int:
    """How much is there now. Raises OtherOffset, Refused, and OSError of the disk."""
    try:
        with storage.alone(download.pk):
            return _append(download, offset, chunk)
    except Busy as error:
        raise OtherOffset(storage.uploaded_size(download.pk)) from error
    except FileNotFoundError as error:
        raise _gone() from error


def finish(download: Download) -> bool:
    """Hand it to the worker if all of it is there."""
    is_whole = storage.uploaded_size(download.pk) == download.total_bytes
    return is_whole and states.uploaded(download.pk)


def find(pk: UUID) -> Download:
    """Raises Refused for one that was cancelled or is over."""
    download = Download.objects.filter(pk=pk, state=DownloadState.UPLOADING).first()
    if download is None:
        raise _gone()
    return download


def _append(download: Download, offset: int, chunk: bytes) -> int:
    part = storage.folder_of(download.pk) / "0.part"
    have = storage.uploaded_size(download.pk)
    if offset != have:
        raise OtherOffset(have)
    if have + len(chunk) > download.total_bytes:
        raise Refused("More bytes came than the file has.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if not states.keep_uploading(download):
        raise _gone()
    with part.open("ab", buffering=0) as file:
        storage.write_all(file.fileno(), chunk)
        have += len(chunk)
        if have == download.total_bytes or have // SYNC_BYTES > offset // SYNC_BYTES:
            os.fsync(file.fileno())
    return have


def _check(name: str, size: int) -> None:
    if not name.lower().endswith(".gguf"):
        raise Refused("Only GGUF files can be uploaded.", HTTPStatus.UNPROCESSABLE_ENTITY)
    if "/" in name or not is_safe_path(name):
        raise Refused(
            "Its name cannot be used on every system. Rename the file first.",
            HTTPStatus.UNPROCESSABLE_ENTITY,
        )
    if size <= 0:
        raise Refused("This file is empty.", HTTPStatus.UNPROCESSABLE_ENTITY)
    if size > MAX_BYTES:
        raise Refused(
            f"This file is larger than {MAX_BYTES // GIB} GiB. Copy it into the models folder.",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )


def _expect(download: Download, checksum: str) -> None:
    """Also of one that was begun without. Raises Refused for another one than it was begun with."""
    download.files.filter(checksum="").update(checksum=checksum)
    if download.files.get().checksum != checksum:
        raise Refused(
            "This upload was begun with another SHA-256. Give that one, or cancel the upload below.",
            HTTPStatus.CONFLICT,
        )


def _new(name: str, size: int, modified: int, sha256: str) -> Download:
    uploading = Download.objects.filter(state=DownloadState.UPLOADING)
    if uploading.count() >= MOST_UNFINISHED:
        raise Refused(
            f"{MOST_UNFINISHED} uploads are unfinished. Finish or cancel one first.",
            HTTPStatus.CONFLICT,
        )
    left = sum(one.total_bytes - storage.uploaded_size(one.pk) for one in uploading)
    try:
        storage.check_space(size + left)
        download = _stored(name, size, modified, f"sha256:{sha256}" if sha256 else "")
    except DiskFull as error:
        raise Refused(str(error), HTTPStatus.INSUFFICIENT_STORAGE) from error
    except IntegrityError as error:
        raise Refused(
            f"{name} was uploaded a moment ago and is being checked.", HTTPStatus.CONFLICT
        ) from error
    return download


def _stored(name: str, size: int, modified: int, checksum: str) -> Download:
    with transaction.atomic():
        download = Download.objects.create(
            url=UPLOAD_SCHEME + name,
            revision=str(modified),
            state=DownloadState.UPLOADING,
            total_bytes=size,
        )
        file = DownloadFile.objects.create(
            download=download, number=0, name=name, size=size, checksum=checksum
        )
        if storage.place_of(download, file).exists():
            # Raised in here, so that nothing of it stays in the database.
            raise Refused(
                f"A file called {name} was uploaded before. Delete that model, or rename the file.",
                HTTPStatus.CONFLICT,
            )
    return download


def _gone() -> Refused:
    return Refused("This upload was cancelled, or is over.", HTTPStatus.GONE)
