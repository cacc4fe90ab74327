"""One download from its claim to its end, in the worker: resolve, fetch, check, put in place.

Whatever stops it (a click, a lost connection, kill -9), what came stays, and the next run goes on from
there. Nothing is put in place before all of it has the checksum that was promised.
"""

from __future__ import annotations

import logging
import time

from inference.errors import ModelFileInvalid
from inference.gguf_header import read_header
from inference.mlx_folder import read_folder
from models_app import catalog
from models_app.downloads import recommended, states, storage
from models_app.downloads.progress import Progress
from models_app.downloads.resolving import resolve
from models_app.downloads.states import LeaseLost
from models_app.downloads.storage import DiskFull
from models_app.downloads.transfer import fetch
from models_app.hub.errors import HubError
from models_app.hub.settings import hub
from models_app.models import Download, DownloadFile, DownloadState

logger = logging.getLogger(__name__)

# After a failure that may pass. Any progress begins them anew.
RETRY_SECONDS = (1, 2, 4, 8, 16, 32, 60, 60)
BUSY_SECONDS = 1.0


class Unusable(Exception):
    """What came is not what was promised, or no model. `str(error)` is for the person."""


def run_next(owner: str) -> bool:
    """Work on the oldest that waits, to its end. False: there was none, or no room for one."""
    download = states.claim(owner)
    if download is None:
        return False
    logger.info("download begins id=%s", download.pk)
    try:
        _run_alone(download)
    except LeaseLost:
        logger.info("download left id=%s", download.pk)
    if not Download.objects.filter(pk=download.pk).exclude(state=DownloadState.CANCELLED).exists():
        storage.remove_parts(download.pk)
    return True


def _run_alone(download: Download) -> None:
    try:
        storage.folder_of(download.pk).mkdir(parents=True, exist_ok=True)
        with storage.alone(download.pk):
            _run(download)
    except storage.Busy:
        time.sleep(BUSY_SECONDS)
        states.release(download)
    except OSError as error:
        # Its own folder cannot be made. Others wait behind it, so it ends.
        _refused_by_disk(download, error)


def _run(download: Download) -> None:
    try:
        _obtain(download)
    except Unusable as error:
        if download.is_upload:
            # It is of no use, and can't be fetched from anywhere.
            storage.remove_parts(download.pk)
            states.renew(download, done_bytes=0)
        states.end(download, DownloadState.FAILED, reason=str(error))
    except (HubError, DiskFull) as error:
        states.end(download, DownloadState.FAILED, reason=str(error))
    except FileExistsError as error:
        reason = f"There is {error.strerror}, which is not replaced. Move it away, then retry."
        states.end(download, DownloadState.FAILED, reason=reason)
    except OSError as error:
        _refused_by_disk(download, error)
    except LeaseLost:
        raise
    except Exception:
        logger.exception("download failed id=%s", download.pk)
        states.end(
            download, DownloadState.FAILED, reason="This is a fault of Minerva. See its log."
        )


def _refused_by_disk(download: Download, error: OSError) -> None:
    logger.warning("download failed id=%s error=%s", download.pk, error)
    advice = "See that there is space" if storage.is_full(error) else "Mend that"
    reason = f"The disk refused it: {error.strerror}. {advice}, then retry."
    states.end(download, DownloadState.FAILED, reason=reason)


def _obtain(download: Download) -> None:
    files = resolve(download, hub())
    read = Progress(download, done=0).add
    missing = storage.missing_of(download, files, read)
    if missing:
        storage.check_folder(storage.place_of(download, missing[0]).parent)
        _bring(download, missing)
        _check_all(download, missing)
        states.renew(download, state=DownloadState.IMPORTING)
        if not missing[0].folder:
            recommended.bring(download, hub(), Progress(download, done=download.total_bytes))
        storage.put_in_place(download, missing, read)
    catalog.scan()
    states.renew(download, done_bytes=download.total_bytes)
    states.end(download, DownloadState.READY)
    storage.remove_parts(download.pk)
    logger.info("download ready id=%s bytes=%d", download.pk, download.total_bytes)


def _bring(download: Download, files: list[DownloadFile]) -> None:
    """All bytes of them. Those of an upload came from a browser, or they did not."""
    if not download.is_upload:
        _fetch_all(download, files)
    elif any(storage.part_size(file) != file.size for file in files):
        raise Unusable("What was uploaded is gone. Choose the file again.")


def _fetch_all(download: Download, files: list[DownloadFile]) -> None:
    missing = sum(file.size - storage.part_size(file) for file in files)
    storage.check_space(missing)
    have = download.total_bytes - missing
    progress = Progress(download, done=have)
    states.renew(download, state=DownloadState.DOWNLOADING, done_bytes=have)
    for file in files:
        _fetch(file, progress)
    progress.report()


def _fetch(file: DownloadFile, progress: Progress) -> None:
    """With as many tries as it takes, while there is progress."""
    source = hub()
    num_failures, done = 0, progress.done
    while True:
        try:
            fetch(
                file.url,
                storage.part_of(file),
                size=file.size,
                headers_for=source.headers_for,
                received=progress.received,
            )
            return
        except HubError as error:
            num_failures = 0 if progress.done > done else num_failures
            done = progress.done
            if not error.is_transient or num_failures == len(RETRY_SECONDS):
                raise
            logger.info("download interrupted id=%s reason=%s", file.download_id, error)
            progress.wait(RETRY_SECONDS[num_failures])
            num_failures += 1


def _check_all(download: Download, files: list[DownloadFile]) -> None:
    """What is wrong is fetched once more from its beginning: parts of two versions may have met."""
    for is_last_try in (False, True):
        wrong = _wrong(download, files)
        if not wrong:
            break
        for file in wrong:
            storage.part_of(file).unlink()
        if download.is_upload:
            raise Unusable(f"{wrong[0].name} has another SHA-256 than the one that was given.")
        if is_last_try:
            raise Unusable(f"{wrong[0].name} is not the file that was promised. Retry later.")
        _fetch_all(download, files)
    try:
        if files[0].folder:
            read_folder(storage.whole_folder(files[0]))
        for file in files:
            if file.name.lower().endswith(".gguf"):
                read_header(storage.part_of(file))
    except ModelFileInvalid as error:
        raise Unusable(f"It came whole, but cannot be used. {error}") from error


def _wrong(download: Download, files: list[DownloadFile]) -> list[DownloadFile]:
    states.renew(download, state=DownloadState.VERIFYING, done_bytes=0)
    progress = Progress(download, done=0)
    return [file for file in files if not storage.is_right(file, progress.add)]
