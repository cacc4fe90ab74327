"""From what somebody wanted to files with addresses, sizes and checksums, of one commit."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from django.db import transaction

from models_app.downloads import states
from models_app.downloads.transfer import size_of
from models_app.hub.client import Hub
from models_app.hub.errors import HubUnreachable, NotFound, Refused
from models_app.hub.folder import place_of
from models_app.hub.folder_config import read_config
from models_app.hub.headers import Unread
from models_app.hub.hub_files import FOLDER
from models_app.hub.names import is_safe_path
from models_app.hub.repository import HubFile, Repository, Variant
from models_app.models import Download, DownloadFile


def resolve(download: Download, hub: Hub) -> list[DownloadFile]:
    """Its files; those of an earlier run if it had come so far. Raises HubError and LeaseLost."""
    files = list(download.files.all())
    if files:
        return files
    if download.url:
        return _resolved_url(download, hub)
    return _resolved_variant(download, hub)


def _resolved_variant(download: Download, hub: Hub) -> list[DownloadFile]:
    repository = hub.repository(download.repository)
    variant = repository.variant(download.variant)
    if variant is None:
        raise NotFound(_why_not_there(repository, download.variant))
    if variant.is_folder:
        _check_config(hub, repository)
    with_projector = download.with_projector and not variant.is_folder
    wanted = [*variant.files, *(repository.projectors[:1] if with_projector else ())]
    for file in wanted:
        if not file.checksum:
            raise NotFound(f"The hub gives no checksum of {file.name}, so nobody could check it.")
    revision = repository.revision
    return _stored(
        download,
        revision,
        [
            (
                _place(repository, variant, one.name),
                hub.address(repository.name, revision, one.name),
                one,
            )
            for one in wanted
        ],
    )


def _place(repository: Repository, variant: Variant, name: str) -> str:
    """Below the repository's folder."""
    return place_of(repository.name, name) if variant.is_folder else PurePosixPath(name).name


def _why_not_there(repository: Repository, label: str) -> str:
    if label == FOLDER and repository.weights:
        return f"{repository.name} has nothing that MLX runs. {repository.why_no_folder}"
    return f"{repository.name} has no {label}. Look at what it has now."


def _check_config(hub: Hub, repository: Repository) -> None:
    """Raises HubError for a model that would not be run, before the rest of it is fetched."""
    try:
        found = read_config(hub, repository)
    except Unread as error:
        raise HubUnreachable(str(error)) from error
    if found.refusal:
        raise Refused(found.refusal)


def _resolved_url(download: Download, hub: Hub) -> list[DownloadFile]:
    """An address with the checksum that the person gave, as its fragment."""
    address, _, checksum = download.url.partition("#")
    name = file_name_of(address)
    size = size_of(address, headers_for=hub.headers_for)
    return _stored(download, "", [(name, address, HubFile(name, size, checksum))])


def file_name_of(address: str) -> str:
    """Of a plain address. Raises NotFound for one that is no safe name of a GGUF file."""
    try:
        name = PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError as error:
        raise NotFound("This is no web address.") from error
    if not is_safe_path(name) or not name.lower().endswith(".gguf"):
        raise NotFound("The address must end in the name of a GGUF file.")
    return name


def _stored(
    download: Download, revision: str, files: list[tuple[str, str, HubFile]]
) -> list[DownloadFile]:
    """At once, so that a run that is killed here begins from the start."""
    total = sum(file.size for _, _, file in files)
    with transaction.atomic():
        states.renew(download, revision=revision, total_bytes=total)
        return DownloadFile.objects.bulk_create(
            DownloadFile(
                download=download,
                number=number,
                name=name,
                url=address,
                size=file.size,
                checksum=file.checksum,
            )
            for number, (name, address, file) in enumerate(files)
        )
