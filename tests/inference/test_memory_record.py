"""The file that keeps what models took: bounded, and never in anybody's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference import memory_record
from inference.memory_record import Loading, MemoryRecord

LOADING = Loading(context_window=256, kv_cache_type="f16", batch_tokens=512)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.json"


def test_another_process_reads_what_was_noted(path):
    MemoryRecord(path).note("/m.gguf", LOADING, estimated=100, used=130)

    taken = MemoryRecord(path).find("/m.gguf", LOADING)

    assert taken and (taken.estimated, taken.used, taken.difference) == (100, 130, 30)
    assert MemoryRecord(path).find("/other.gguf", LOADING) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe", b'[{"model": "x"}]', b"{}"])
def test_a_file_that_cannot_be_read_is_one_without_an_entry(path, content):
    path.write_bytes(content)
    record = MemoryRecord(path)
    assert record.find("/m.gguf", LOADING) is None

    record.note("/m.gguf", LOADING, estimated=100, used=130)

    assert record.find("/m.gguf", LOADING) is not None


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_the_entry(tmp_path):
    record = MemoryRecord(tmp_path / "absent" / "memory.json")
    record.note("/m.gguf", LOADING, estimated=100, used=130)

    assert record.find("/m.gguf", LOADING) is None


def test_the_oldest_entries_go(path, monkeypatch):
    monkeypatch.setattr(memory_record, "MOST_ENTRIES", 2)
    record = MemoryRecord(path)
    for name in ("/a", "/b", "/a", "/c"):
        record.note(name, LOADING, estimated=1, used=2)

    assert record.find("/b", LOADING) is None
    assert record.find("/a", LOADING) and record.find("/c", LOADING)


def test_without_a_place_nothing_is_kept():
    record = MemoryRecord(None)
    record.note("/m.gguf", LOADING, estimated=100, used=130)

    assert record.find("/m.gguf", LOADING) is None
