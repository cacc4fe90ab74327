"""What config.json of a model for MLX says, read at the hub before anything is downloaded, and kept in the
database for that commit: how much memory it needs, and whether it may be run at all."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import msgspec

from inference.errors import ModelFileInvalid
from inference.mlx_folder import CONFIG, MLXHeader, announced
from models_app.hub.client import Hub
from models_app.hub.errors import HubError, HubNonsense
from models_app.hub.files import beginning_of
from models_app.hub.folder import NO_PROGRAMS, weights_of
from models_app.hub.headers import Unread
from models_app.hub.repository import Repository
from models_app.models import RemoteHeader

MAX_BYTES = 1024 * 1024
# No family of GGUF files is called so.
FAMILY = "/mlx"


class FolderConfig(msgspec.Struct):
    """`refusal` "": it may be run; then there is a header."""

    header: MLXHeader | None = None
    refusal: str = ""


def known_config(repository: Repository) -> FolderConfig | None:
    """None: nobody read it yet, or another version of Minerva did."""
    row = RemoteHeader.objects.filter(
        repository=repository.name, revision=repository.revision, family=FAMILY
    ).first()
    try:
        return msgspec.json.decode(row.facts, type=FolderConfig) if row else None
    except msgspec.DecodeError:
        return None


def read_config(source: Hub, repository: Repository) -> FolderConfig:
    """As it is known, or else as the hub has it. Raises Unread."""
    known = known_config(repository)
    if known is not None:
        return known
    try:
        config = _fetched(source, repository)
    except HubError as error:
        raise Unread(str(error)) from error
    found = _told(config, repository)
    RemoteHeader.keep(repository.name, repository.revision, family=FAMILY, facts=found)
    return found


def _told(config: dict[str, Any], repository: Repository) -> FolderConfig:
    if config.get("model_file") or config.get("auto_map"):
        return FolderConfig(refusal=f"Its {CONFIG} names a program of its own. {NO_PROGRAMS}")
    size = sum(file.size for file in weights_of(repository.files))
    try:
        return FolderConfig(announced(config, size=size, num_parameters=repository.num_parameters))
    except ModelFileInvalid as error:
        return FolderConfig(refusal=str(error))


def _fetched(source: Hub, repository: Repository) -> dict[str, Any]:
    """Raises HubError."""
    file = next((one for one in repository.files if one.name == CONFIG), None)
    if file is None or file.size > MAX_BYTES:
        raise HubNonsense(f"The repository's {CONFIG} is not what it should be.")
    url = source.address(repository.name, repository.revision, CONFIG)
    with closing(beginning_of(source, url, most=MAX_BYTES, size=file.size)) as pieces:
        content = b"".join(pieces)
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HubNonsense(f"The repository's {CONFIG} is not valid JSON.") from error
    if not isinstance(config, dict):
        raise HubNonsense(f"The repository's {CONFIG} is not what it should be.")
    return config
