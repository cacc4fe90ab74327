"""The models folder, or a folder in it, on another disk: nothing is half there, nothing is lost."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from inference.errors import InvalidRequest
from models_app import catalog, importing, removal
from models_app.downloads import storage
from models_app.models import CatalogEntry, Download
from tests.inference.test_gguf_model import write_split
from tests.made_models import write_scripted_model

pytestmark = pytest.mark.django_db

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def models(folder: Path, settings: Any) -> Path:
    settings.MODELS_DIR = folder
    settings.TRASH_DIR = folder / ".trash"
    settings.DOWNLOADS_DIR = folder / ".downloads"
    return folder


@pytest.fixture
def other_disk(models: Path) -> Iterator[Path]:
    """`models/owner` is a link to it."""
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == models.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as name:
        (models / "owner").symlink_to(name)
        yield Path(name)


@pytest.mark.usefixtures("service")
def test_a_model_on_another_disk_is_deleted_and_comes_back(models, other_disk):
    write_split(models / "owner")
    before = {path.name: path.read_bytes() for path in other_disk.iterdir()}
    catalog.scan()
    entry = CatalogEntry.objects.get()

    removal.remove(entry)
    assert not CatalogEntry.objects.usable().exists()
    assert [path.name for path in other_disk.iterdir()] == [".trash"]
    removal.restore(entry)

    assert {path.name: path.read_bytes() for path in other_disk.glob("*.gguf")} == before
    assert CatalogEntry.objects.usable().get() == entry


@pytest.mark.usefixtures("service")
def test_a_model_on_another_disk_is_gone_for_good_after_a_while(models, other_disk):
    write_split(models / "owner")
    catalog.scan()
    removal.remove(CatalogEntry.objects.get())

    assert removal.purge(before=timezone.now() - timedelta(minutes=1)) == 0
    assert removal.purge(before=timezone.now()) == 1

    assert list((other_disk / ".trash").iterdir()) == []
    assert not CatalogEntry.objects.exists()


def test_a_download_ends_on_the_disk_where_its_folder_is(models, other_disk):
    download = Download.objects.create(repository="owner/name", variant="Q4_K_M")
    file = download.files.create(number=1, name="night.gguf", url="x", checksum="x")
    part = storage.part_of(file)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"weights")

    storage.put_in_place(download, [file], lambda _: None)

    assert (other_disk / "name" / "night.gguf").read_bytes() == b"weights"
    assert [path.name for path in (other_disk / "name").iterdir()] == ["night.gguf"]


def test_a_download_for_another_disk_replaces_nothing_there(models, other_disk, monkeypatch):
    download = Download.objects.create(repository="owner/name", variant="Q4_K_M")
    file = download.files.create(number=1, name="night.gguf", url="x", checksum="sha256:x")
    part = storage.part_of(file)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"weights")
    copy = shutil.copyfileobj

    def copy_too_late(*arguments: Any) -> None:
        copy(*arguments)
        (other_disk / "name" / "night.gguf").write_bytes(b"mine")

    monkeypatch.setattr(shutil, "copyfileobj", copy_too_late)
    with pytest.raises(FileExistsError, match="another file called night"):
        storage.put_in_place(download, [file], lambda _: None)

    assert (other_disk / "name" / "night.gguf").read_bytes() == b"mine"
    assert [path.name for path in (other_disk / "name").iterdir()] == ["night.gguf"]
    assert part.read_bytes() == b"weights"


def test_what_a_killed_copy_left_as_a_second_name_is_not_written_to(tmp_path):
    source, place = tmp_path / "source.gguf", tmp_path / "place.gguf"
    source.write_bytes(b"new")
    (tmp_path / "in_use.gguf").write_bytes(b"weights")
    os.link(tmp_path / "in_use.gguf", storage._hidden(place, source))

    storage.copy_whole(source, place)

    assert (tmp_path / "in_use.gguf").read_bytes() == b"weights"
    assert place.read_bytes() == b"new"


def test_what_is_copied_to_one_place_from_two_has_two_hidden_names(tmp_path):
    """Else one of them would be put in place half written by the other."""
    place = tmp_path / "place.gguf"

    hidden = {storage._hidden(place, tmp_path / name) for name in ("a.part", "b.part")}

    assert len(hidden) == 2


def test_a_copy_that_fails_leaves_what_came_and_nothing_else(models, monkeypatch):
    download = Download.objects.create(repository="owner/name", variant="Q4_K_M")
    file = download.files.create(number=1, name="night.gguf", url="x", checksum="x")
    part = storage.part_of(file)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"weights")
    monkeypatch.setattr(os, "link", _refuse(errno.EXDEV))
    monkeypatch.setattr(os, "rename", _refuse(errno.EXDEV))
    monkeypatch.setattr(shutil, "copyfileobj", _refuse(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        storage.put_in_place(download, [file], lambda _: None)

    assert part.read_bytes() == b"weights"
    assert list((models / "owner" / "name").iterdir()) == []


@pytest.mark.usefixtures("service")
def test_a_file_that_is_a_mount_by_itself_is_refused_in_words_and_all_parts_stay(
    models, monkeypatch
):
    write_split(models)
    before = {path.name: path.read_bytes() for path in models.iterdir()}
    catalog.scan()
    rename = os.rename
    last = max(before)

    def rename_all_but_the_last(source: Path, target: Path) -> None:
        if source == models / last:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_all_but_the_last)
    with pytest.raises(InvalidRequest, match="mounted by itself"):
        removal.remove(CatalogEntry.objects.get())

    assert {path.name: path.read_bytes() for path in models.glob("*.gguf")} == before
    assert CatalogEntry.objects.usable().exists()


def test_an_import_from_another_disk_is_whole(models, other_disk, tmp_path):
    elsewhere = write_scripted_model(other_disk / "hello.gguf", "Hello.")

    place = importing.take(elsewhere)

    assert place == models / "hello.gguf"
    assert place.read_bytes() == elsewhere.read_bytes()


def test_an_import_replaces_nothing_that_came_meanwhile(models, tmp_path, monkeypatch):
    elsewhere = write_scripted_model(tmp_path / "hello.gguf", "Hello.")
    mine = models / "hello.gguf"
    monkeypatch.setattr(importing, "check_space", lambda _: mine.write_bytes(b"mine"))

    with pytest.raises(InvalidRequest, match="is in the models folder already"):
        importing.take(elsewhere)

    assert [path.name for path in models.iterdir()] == ["hello.gguf"]
    assert mine.read_bytes() == b"mine"


def _refuse(number: int) -> Any:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse
