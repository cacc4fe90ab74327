"""How many bytes a model will take: the estimate from its file, corrected by what it took before."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from inference.errors import ModelFileInvalid
from inference.memory_estimate import LARGEST_WINDOW, estimate
from inference.memory_record import Loading, MemoryRecord
from inference.messages import LoadSettings
from inference.model_files import ModelFormat, ModelHeader, format_of, read_any

# Of what a model is estimated to take.
MARGIN = 1.1


@dataclass(frozen=True)
class Need:
    """In bytes. `expected`: once it has answered; `ended_chats`: what copies of those may add."""

    expected: int
    ended_chats: int = 0

    @property
    def total(self) -> int:
        """What is held for it before it is loaded and can be measured."""
        return int(self.expected * MARGIN) + self.ended_chats


def need_of(path: str, settings: LoadSettings, record: MemoryRecord) -> Need:
    """Of a model, and the one that guesses for it. A file that is none is left to the runner to refuse,
    and what has no path, as it is another server's, takes nothing here."""
    if not path:
        return Need(0)
    try:
        header = read_any(Path(path))
    except ModelFileInvalid:
        return Need(0)
    taken = record.find(path, _loading_of(header, settings))
    difference = taken.difference if taken else 0
    return Need(
        max(0, _estimated(header, path, settings) + difference),
        min(settings.prompt_cache_bytes, header.size),
    )


def note_use(path: str, settings: LoadSettings, record: MemoryRecord, *, used: int) -> None:
    """`settings` as they came to be: with the context window that it has."""
    try:
        header = read_any(Path(path))
    except ModelFileInvalid:
        return
    estimated = _estimated(header, path, settings)
    record.note(path, _loading_of(header, settings), estimated=estimated, used=used)


def _estimated(header: ModelHeader, path: str, settings: LoadSettings) -> int:
    total = _of_one(header, settings)
    is_gguf = format_of(Path(path)) is ModelFormat.GGUF
    if is_gguf and settings.speculation and settings.draft_model not in ("", path):
        with contextlib.suppress(ModelFileInvalid):
            total += _of_one(read_any(Path(settings.draft_model)), settings)
    return total


def _of_one(header: ModelHeader, settings: LoadSettings) -> int:
    loading = _loading_of(header, settings)
    return estimate(header, **msgspec.structs.asdict(loading)).total


def _loading_of(header: ModelHeader, settings: LoadSettings) -> Loading:
    window = settings.context_window or LARGEST_WINDOW
    return Loading(
        context_window=min(window, header.context_length),
        kv_cache_type=settings.kv_cache_type,
        batch_tokens=settings.batch_tokens,
    )
