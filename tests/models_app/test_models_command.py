"""`manage.py models`: what it prints, what it refuses, and that it does what the pages do."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from models_app import catalog
from models_app.benchmarks import following as measuring
from models_app.benchmarks.record import Benchmark, BenchmarkState
from models_app.downloads import following, states
from models_app.models import CatalogEntry, Download, DownloadState
from tests.inference.gguf_files import File
from tests.inference.test_gguf_model import write_split
from tests.made_models import write_scripted_model
from tests.models_app import evil_hub as evil
from tests.models_app.evil_hub import EvilHub

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("service", "ours"),
    pytest.mark.timeout(120),
]

NAME = "owls/Night-1B-GGUF"


@pytest.fixture
def ours(folder: Path, settings: Any) -> None:
    settings.MODELS_DIR = folder
    settings.TRASH_DIR = folder.parent / "trash"
    settings.DOWNLOADS_DIR = folder.parent / "downloads"


@pytest.fixture
def hub(settings: Any, tmp_path: Path) -> Iterator[EvilHub]:
    small = File(data=bytes(10_000)).content()
    with evil.evil_hub() as hub:
        settings.HUB_ENDPOINT = hub.address
        hub.add(NAME, {"night-Q4_K_M.gguf": small, "night-Q2_K.gguf": small})
        yield hub


def models(*words: str) -> str:
    out = StringIO()
    call_command("models", *words, stdout=out)
    return out.getvalue().replace("\N{NO-BREAK SPACE}", " ")


def test_list_names_what_is_here_and_its_state(write, folder):
    write("plain.gguf", name="Plain")
    (folder / "broken.gguf").write_bytes(b"nothing")

    lines = models("list").splitlines()

    assert lines[0].split() == ["NAME", "STATE", "SIZE", "PARAMETERS", "QUANTISATION", "FILE"]
    assert any("Plain" in line and "Unloaded" in line for line in lines)
    assert any("broken" in line and "Broken" in line for line in lines)


def test_pull_downloads_what_is_recommended_and_says_so(hub, folder):
    assert "is ready" in models("pull", NAME)

    assert [path.name for path in (folder / NAME).iterdir()] == ["night-Q4_K_M.gguf"]


def test_pull_takes_the_quantisation_that_was_named_and_an_address(hub, folder):
    models("pull", f"{NAME}:q2_k")
    models("pull", f"{hub.address}/{NAME}/blob/main/night-Q4_K_M.gguf")

    names = sorted(path.name for path in (folder / NAME).iterdir())
    assert names == ["night-Q2_K.gguf", "night-Q4_K_M.gguf"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{NAME}:Q7_K", "It has: "),
        ("owls/nothing", "no such repository"),
        ("only words", "owner/name"),
        ("https://a.example/m.gguf", "--sha256"),
    ],
)
def test_pull_of_what_is_not_there_says_what_is(hub, name, words):
    with pytest.raises(CommandError, match=words):
        models("pull", name)


def test_a_pull_that_fails_ends_with_the_reason_and_the_next_goes_on(hub):
    hub.always = evil.gone
    with pytest.raises(CommandError, match="no such"):
        models("pull", NAME)

    hub.always = None
    assert "is ready" in models("pull", NAME)
    assert Download.objects.count() == 1


def test_an_interrupted_pull_is_paused(hub, monkeypatch):
    def interrupted(download: Download) -> Iterator[Download]:
        yield download
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "follow", interrupted)
    with pytest.raises(CommandError, match="Paused"):
        models("pull", NAME)

    assert Download.objects.get().state == DownloadState.PAUSED


def test_a_pull_that_a_worker_has_is_only_watched(hub):
    download = following.begin(NAME)
    claimed = states.claim("the worker")
    assert claimed
    shown = following.follow(download)
    assert next(shown).state == DownloadState.RESOLVING
    states.end(claimed, DownloadState.READY)

    assert [one.state for one in shown] == [DownloadState.READY]
    assert hub.bytes_sent == 0


def test_import_copies_all_parts_and_leaves_the_original(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_split(elsewhere)
    before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}

    models("import", str(min(elsewhere.iterdir())))

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before
    assert CatalogEntry.objects.usable().count() == 1
    with pytest.raises(CommandError, match="already"):
        models("import", str(min(elsewhere.iterdir())))


def test_half_an_import_is_never_listed_and_leaves_nothing_when_it_fails(
    folder, tmp_path, monkeypatch
):
    path = write_scripted_model(tmp_path / "hello.gguf", "Hello.")
    seen: list[object] = []

    def fail(source, target, size):
        target.write(source.read(1000))
        target.flush()
        catalog.scan()
        seen.append(CatalogEntry.objects.count())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    with pytest.raises(CommandError, match="No space left"):
        models("import", str(path))

    assert seen == [0]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"GGUF"])
def test_import_of_no_model_is_refused_and_leaves_nothing(folder, tmp_path, content):
    path = tmp_path / "x.gguf"
    path.write_bytes(content)

    with pytest.raises(CommandError):
        models("import", str(path))
    with pytest.raises(CommandError):
        models("import", str(tmp_path / "gone.gguf"))
    assert list(folder.iterdir()) == []


def test_load_and_unload_wait_until_it_is_so(folder):
    write_scripted_model(folder / "hello.gguf", "Hello.", name="Hello 1M")

    assert "loaded on CPU" in models("load", "Hello 1M")
    assert "Ready" in models("list")
    with pytest.raises(CommandError, match="in use"):
        models("rm", "hello")
    assert "unloaded" in models("unload", "hello.gguf")
    assert "Unloaded" in models("list")


def test_rm_says_what_the_disk_gets_back(write, folder):
    path = write("plain.gguf")
    num_bytes = path.stat().st_size

    assert f"{num_bytes} bytes" in models("rm", "plain")
    assert not path.exists()


def test_a_name_of_none_or_of_several_is_refused(write):
    write("a/plain.gguf", name="Same")
    write("b/plain.gguf", name="Same")

    with pytest.raises(CommandError, match="no model nothing"):
        models("rm", "nothing")
    with pytest.raises(CommandError, match="Several"):
        models("rm", "Same")
    assert CatalogEntry.objects.usable().count() == 2


def test_bench_measures_and_prints_the_figures(folder):
    write_scripted_model(folder / "hello.gguf", "Hello. " * 40, name="Hello 1M")

    text = models("bench", "Hello 1M")

    for name in ("loading", "reading 1", "first token", "writing", "memory", "device"):
        assert name in text
    assert re.search(r"writing +[\d.,]+ tokens/s", text)
    assert Benchmark.objects.get().state == BenchmarkState.DONE


def test_an_interrupted_bench_is_cancelled(folder, monkeypatch):
    write_scripted_model(folder / "hello.gguf", "Hello.", name="Hello 1M")

    def interrupted(benchmark: Benchmark) -> Iterator[Benchmark]:
        yield benchmark
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "follow", interrupted)
    with pytest.raises(CommandError, match="Cancelled"):
        models("bench", "Hello 1M")

    assert Benchmark.objects.get().state == BenchmarkState.CANCELLED


def test_bench_of_what_cannot_be_loaded_ends_with_the_reason(folder):
    (folder / "broken.gguf").write_bytes(b"nothing")
    File().write(folder / "hollow.gguf")

    with pytest.raises(CommandError, match="GGUF"):
        models("bench", "broken")
    with pytest.raises(CommandError):
        models("bench", "hollow")
    assert Benchmark.objects.get().state == BenchmarkState.FAILED
