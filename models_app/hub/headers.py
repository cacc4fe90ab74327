"""What a GGUF file says of itself, read at the hub before anything is downloaded: some first megabytes of
it, parsed like a file that is here, and kept in the database for that commit.

Files of a repository that differ only in their quantisation are one family: the header of one tells for
all of them how large the KV cache gets.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import PurePosixPath

import msgspec
from django.core.cache import cache

from inference.errors import ModelFileInvalid
from inference.gguf_header import GGUFHeader, parse_header
from inference.gguf_model import PART_NAME
from models_app.hub.client import Hub
from models_app.hub.errors import HubError
from models_app.hub.files import beginning_of
from models_app.hub.repository import QUANT, Repository, Variant
from models_app.models import RemoteHeader

# The largest vocabularies and their merges take about 12 MiB.
MOST_BYTES = 16 * 1024 * 1024
MOST_FAMILIES = 3
# So long a page does not try again by itself.
PROBLEM_SECONDS = 120

logger = logging.getLogger(__name__)


class Unread(Exception):
    """It could not be read. `str(error)` says why."""


class Beginning:
    """The first bytes of a file as they come, to be read like a file; no more than are wanted come."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._bytes = bytearray()
        self._at = 0

    def seek(self, position: int, /) -> int:
        self._at = position
        return position

    def read(self, length: int, /) -> bytes:
        while len(self._bytes) < self._at + length:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._bytes += piece
        return bytes(self._bytes[self._at : self._at + length])


def family_of(variant: Variant) -> str:
    """The name of its first file without the quantisation."""
    name = PurePosixPath(variant.files[0].name).name
    part = PART_NAME.fullmatch(name)
    stem = part["prefix"] if part else PurePosixPath(name).stem
    return QUANT.sub("", stem).casefold()


def known_headers(repository: Repository) -> dict[str, GGUFHeader]:
    """By family: those that were read before."""
    rows = RemoteHeader.objects.filter(
        repository=repository.name, revision=repository.revision
    ).values_list("family", "facts")
    found = {family: _decoded(facts) for family, facts in rows}
    return {family: header for family, header in found.items() if header is not None}


def read_headers(source: Hub, repository: Repository) -> dict[str, GGUFHeader]:
    """By family; those of up to MOST_FAMILIES that are not known are read now. Raises Unread."""
    known = known_headers(repository)
    try:
        for family, variant in _families(repository).items():
            if family not in known:
                known[family] = header = _read(source, repository, variant)
                RemoteHeader.keep(repository.name, repository.revision, family=family, facts=header)
    except Unread as error:
        cache.set(_problem_key(repository), str(error), PROBLEM_SECONDS)
        raise
    cache.delete(_problem_key(repository))
    return known


def known_problem(repository: Repository) -> str:
    """Why they could not be read a moment ago; "": nobody tried, or it went well."""
    return str(cache.get(_problem_key(repository), ""))


def _families(repository: Repository) -> dict[str, Variant]:
    """The smallest of each: its header is as long as that of the others."""
    found: dict[str, Variant] = {}
    for variant in repository.variants:
        found.setdefault(family_of(variant), variant)
    return dict(list(found.items())[:MOST_FAMILIES])


def _read(source: Hub, repository: Repository, variant: Variant) -> GGUFHeader:
    file = variant.files[0]
    url = source.address(repository.name, repository.revision, file.name)
    most = min(MOST_BYTES, file.size)
    try:
        with closing(beginning_of(source, url, most=most, size=file.size)) as pieces:
            header = parse_header(Beginning(pieces), size=file.size)
    except HubError as error:
        raise Unread(str(error)) from error
    except ModelFileInvalid as error:
        logger.info("remote header refused file=%s reason=%s", file.name, error)
        raise Unread("The file at the hub does not say what it should.") from error
    return replace(header, chat_template="")


def _problem_key(repository: Repository) -> str:
    return f"hub.header.{repository.name}.{repository.revision}".casefold()


def _decoded(facts: str) -> GGUFHeader | None:
    """None: another version of Minerva wrote it."""
    try:
        return msgspec.json.decode(facts, type=GGUFHeader)
    except msgspec.DecodeError:
        return None
