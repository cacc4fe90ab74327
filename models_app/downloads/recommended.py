"""How a model's makers want it sampled, as the repository of a download says: `generation_config.json` is
brought beside the model. The model is as good without it, so whatever goes wrong here is only logged.
"""

from __future__ import annotations

import logging
from contextlib import closing

from models_app.downloads import storage
from models_app.downloads.progress import Progress
from models_app.file_sampling import CONFIG, MAX_BYTES, sampling_of
from models_app.hub.client import Hub
from models_app.hub.errors import HubError, HubNonsense
from models_app.hub.files import beginning_of
from models_app.models import Download, DownloadFile

logger = logging.getLogger(__name__)


def bring(download: Download, source: Hub, progress: Progress) -> None:
    """What is there already stays as it is. Raises LeaseLost."""
    file = DownloadFile(download=download, number=-1, name=CONFIG)
    if not download.repository or storage.place_of(download, file).exists():
        return
    try:
        if _is_there(file, source):
            _fetch(file, source, progress)
            storage.put_in_place(download, [file], progress.add)
    except (HubError, OSError) as error:
        logger.info("no sampling brought id=%s reason=%s", download.pk, error)


def _is_there(file: DownloadFile, source: Hub) -> bool:
    """The repository has one of a size to be believed; where, and what is promised of it, is then known."""
    download = file.download
    repository = source.repository(download.repository, revision=download.revision)
    found = next((one for one in repository.files if one.name == CONFIG), None)
    if found is None or found.size > MAX_BYTES:
        return False
    file.url = source.address(repository.name, download.revision, CONFIG)
    file.size, file.checksum = found.size, found.checksum
    return True


def _fetch(file: DownloadFile, source: Hub, progress: Progress) -> None:
    """Raises HubError, also for what is not as promised, or no such file."""
    content = b""
    beginning = beginning_of(source, file.url, most=MAX_BYTES, size=file.size)
    with closing(beginning) as pieces:
        for piece in pieces:
            content += piece
            progress.report()
    part = storage.part_of(file)
    part.write_bytes(content)
    if not storage.is_right(file, lambda _: None) or sampling_of(content) is None:
        part.unlink()
        raise HubNonsense(f"{CONFIG} is not the file that was promised.")
