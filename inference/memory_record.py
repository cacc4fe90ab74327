"""What models really took, kept in a file, so that the next estimate of the same model is better.

The service writes it, on a processor only: where weights lie on a GPU, the resident bytes of a process
are not all. Others read it. A file that cannot be read is one without an entry.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from inference.types import KVCacheType

MOST_ENTRIES = 500

logger = logging.getLogger(__name__)


class Loading(msgspec.Struct, frozen=True, kw_only=True):
    """What an estimate depends on, besides the file itself."""

    context_window: int
    kv_cache_type: KVCacheType
    batch_tokens: int


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """In bytes. `model`: the file as it was then, see `identity`."""

    model: str
    loading: Loading
    estimated: int
    used: int

    @property
    def difference(self) -> int:
        return self.used - self.estimated


class MemoryRecord:
    """`path` None: nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def find(self, model: str, loading: Loading) -> Taken | None:
        """With just this loading; else the latest of this model, which differs by about as much."""
        ours = [one for one in self._read() if one.model == identity(model)]
        return next((one for one in ours if one.loading == loading), ours[-1] if ours else None)

    def note(self, model: str, loading: Loading, *, estimated: int, used: int) -> None:
        """The most that a model has taken stays: it may take it again."""
        ours = identity(model)
        before = self._read()
        same = [one for one in before if (one.model, one.loading) == (ours, loading)]
        used = max([used, *(one.used for one in same)])
        taken = Taken(model=ours, loading=loading, estimated=estimated, used=used)
        self._write([*(one for one in before if one not in same), taken][-MOST_ENTRIES:])

    def _read(self) -> list[Taken]:
        try:
            content = self._path.read_bytes() if self._path else b"[]"
            return msgspec.json.decode(content, type=list[Taken])
        except FileNotFoundError:
            return []
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            logger.warning("memory record not read: %s", error)
            return []

    def _write(self, entries: Sequence[Taken]) -> None:
        if self._path is None:
            return
        new = self._path.with_name(f".{self._path.name}.new")
        try:
            new.write_bytes(msgspec.json.encode(entries))
            os.replace(new, self._path)
        except OSError as error:
            logger.warning("memory record not written: %s", error)


def identity(path: str) -> str:
    """Another one as soon as another file is called so."""
    try:
        status = os.stat(path)
    except OSError:
        return path
    return f"{path} {status.st_size} {status.st_mtime_ns}"
