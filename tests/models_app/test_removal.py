"""Deleting a model: what is refused, what comes back, and what is gone."""

from __future__ import annotations

import errno
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inference.errors import InvalidRequest
from models_app import catalog, removal
from models_app.models import CatalogEntry, UsedFolder
from tests.inference.test_gguf_model import write_split
from tests.made_folders import write_random_folder
from tests.models_app.conftest import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service", "ours")]

HTMX = {"HX-Request": "true"}


@pytest.fixture
def ours(folder: Path, settings: Any) -> None:
    settings.MODELS_DIR = folder
    settings.TRASH_DIR = folder.parent / "trash"


def scanned() -> CatalogEntry:
    catalog.scan()
    return CatalogEntry.objects.get()


def post(client: Client, name: str, entry: CatalogEntry) -> Any:
    return client.post(reverse(f"models:{name}", args=[entry.pk]), headers=HTMX)


def test_a_deleted_model_leaves_its_folder_and_the_list(write, folder, staff):
    path = write("owner/name/plain.gguf")
    entry = scanned()
    size = path.stat().st_size

    response = post(staff, "delete", entry)

    assert f"{size} bytes" in response.headers["HX-Trigger"].encode().decode(
        "unicode_escape"
    ).replace("\N{NO-BREAK SPACE}", " ")
    assert list(folder.iterdir()) == []
    assert not CatalogEntry.objects.usable().exists()
    assert "Deleted a moment ago" in response.content.decode()


def test_what_its_makers_recommend_goes_and_comes_back_with_the_last_model(write, folder):
    write("owner/name/one.gguf")
    entry = scanned()
    size = Path(entry.path).stat().st_size
    other = write("owner/name/two.gguf")
    config = folder / "owner" / "name" / "generation_config.json"
    config.write_text("{}")

    removal.remove(entry)
    assert config.exists()
    removal.restore(entry)
    other.unlink()
    assert removal.regained_bytes(entry) == size + 2
    removal.remove(entry)
    assert list(folder.iterdir()) == []

    removal.restore(entry)

    assert config.read_text() == "{}"


def test_two_that_are_deleted_after_each_other_come_back_with_what_their_makers_recommend(
    write, folder
):
    """It went with the second; when that comes back, the first lies beside it again."""
    write("owner/name/one.gguf")
    write("owner/name/two.gguf")
    config = folder / "owner" / "name" / "generation_config.json"
    config.write_text("{}")
    catalog.scan()
    one, two = CatalogEntry.objects.order_by("path")
    removal.remove(one)
    removal.remove(two)

    removal.restore(one)
    removal.restore(two)

    assert config.read_text() == "{}"
    assert CatalogEntry.objects.usable().count() == 2


def test_undo_keeps_a_recommendation_that_came_since(write, folder):
    path = write("owner/name/one.gguf")
    config = folder / "owner" / "name" / "generation_config.json"
    config.write_text("{}")
    entry = scanned()
    removal.remove(entry)
    config.parent.mkdir(parents=True)
    config.write_text('{"top_k": 1}')

    removal.restore(entry)

    assert path.exists()
    assert config.read_text() == '{"top_k": 1}'


def test_undo_brings_every_part_back_where_it_was(folder, staff):
    (folder / "owner").mkdir()
    paths = write_split(folder / "owner")
    before = {path: path.read_bytes() for path in folder.rglob("*.gguf")}
    entry = scanned()
    assert removal.regained_bytes(entry) == sum(len(data) for data in before.values())
    post(staff, "delete", entry)
    assert list(folder.rglob("*.gguf")) == []

    assert post(staff, "undelete", entry).status_code == 204

    assert {path: path.read_bytes() for path in folder.rglob("*.gguf")} == before
    assert CatalogEntry.objects.usable().get() == entry
    assert paths


def test_after_a_while_it_is_gone_for_good(write, settings, staff):
    write("plain.gguf")
    entry = scanned()
    removal.remove(entry)

    assert removal.purge(before=timezone.now() - timedelta(minutes=1)) == 0
    assert removal.purge(before=timezone.now()) == 1

    assert list(settings.TRASH_DIR.iterdir()) == []
    assert not CatalogEntry.objects.exists()
    assert post(staff, "undelete", entry).status_code == 404


def test_whoever_clears_up_at_the_same_moment_leaves_what_is_being_deleted(write, monkeypatch):
    """The worker does so each minute, and takes what nobody noted as deleted for long deleted."""
    path = write("owner/name/plain.gguf")
    entry = scanned()
    save = CatalogEntry.save

    def clear_up_and_save(*arguments: Any, **named: Any) -> None:
        removal.purge(before=timezone.now() - removal.KEPT)
        save(*arguments, **named)

    monkeypatch.setattr(CatalogEntry, "save", clear_up_and_save)
    removal.remove(entry)
    removal.restore(entry)

    assert path.exists()
    assert CatalogEntry.objects.usable().get() == entry


def test_what_is_deleted_while_it_is_cleared_up_is_left(write, monkeypatch):
    path = write("owner/name/plain.gguf")
    entry = scanned()
    kept = removal._ids

    def asked_and_deleted(*arguments: Any) -> Any:
        found = list(kept(*arguments))
        removal.remove(entry)
        return found

    monkeypatch.setattr(removal, "_ids", asked_and_deleted)
    assert removal.purge(before=timezone.now() - removal.KEPT) == 0

    removal.restore(entry)
    assert path.exists()


def test_a_disk_that_refuses_to_delete_leaves_it_in_the_list(write, staff, monkeypatch):
    path = write("plain.gguf")
    entry = scanned()

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refuse)
        response = post(staff, "delete", entry)

    assert response.status_code == 422
    assert "Read-only" in response.headers["HX-Trigger"]
    assert path.exists()
    kept = CatalogEntry.objects.usable().get()
    assert kept == entry
    assert kept.is_default


def test_undo_says_that_files_are_gone(write, settings, staff):
    write("plain.gguf")
    entry = scanned()
    post(staff, "delete", entry)
    shutil.rmtree(settings.TRASH_DIR)

    response = post(staff, "undelete", entry)

    assert response.status_code == 422
    assert "gone for good" in response.headers["HX-Trigger"]
    assert CatalogEntry.objects.removed().get() == entry


def test_one_whose_deletion_was_killed_before_its_files_were_moved_comes_back(write, staff):
    write("plain.gguf")
    entry = scanned()
    CatalogEntry.objects.update(removed_at=timezone.now())

    assert post(staff, "undelete", entry).status_code == 204
    assert CatalogEntry.objects.usable().get() == entry


def test_a_loaded_model_is_not_deleted(folder, staff):
    from tests.made_models import write_scripted_model

    path = write_scripted_model(folder / "hello.gguf", "Hello.")
    entry = scanned()
    post(staff, "load", entry)
    wait_for(lambda: _state(staff, entry) == "ready", what="the model")

    response = post(staff, "delete", entry)

    assert response.status_code == 422
    assert "in use" in response.headers["HX-Trigger"]
    assert path.exists()
    assert "Delete hello" not in staff.get("/models/").content.decode()
    post(staff, "unload", entry)


def _state(client: Client, entry: CatalogEntry) -> str:
    text = client.get("/models/").content.decode()
    return text.split(f'id="model-{entry.pk}"')[1].split('data-state="')[1].split('"')[0]


def test_without_the_service_nothing_is_deleted(write, settings, staff):
    path = write("plain.gguf")
    settings.INFERENCE_SOCKET = path.parent / "nothing.sock"

    assert post(staff, "delete", scanned()).status_code == 422
    assert path.exists()


def test_files_of_other_folders_are_not_ours_to_delete(write, settings, staff, tmp_path):
    path = write("plain.gguf")
    settings.MODELS_DIR = tmp_path / "ours"
    entry = scanned()

    assert post(staff, "delete", entry).status_code == 422
    assert path.exists()
    assert "Delete plain" not in staff.get("/models/").content.decode()


@pytest.fixture
def elsewhere(folder: Path, tmp_path: Path) -> Path:
    """A folder of somebody's, into which a link of ours leads: by that its models are found first."""
    path = tmp_path / "elsewhere"
    write_random_folder(path / "owls" / "Fast-1B")
    (folder / "shared").symlink_to(path / "owls")
    return path


@pytest.mark.parametrize("is_of_settings", [True, False])
def test_what_a_link_of_ours_leads_to_in_a_folder_that_is_used_in_place_is_not_deleted(
    write, elsewhere, settings, staff, is_of_settings
):
    write("plain.gguf").rename(elsewhere / "owls" / "theirs.gguf")
    if is_of_settings:
        settings.MODEL_DIRS = [*settings.MODEL_DIRS, elsewhere]
    else:
        UsedFolder.objects.create(path=str(elsewhere.resolve()))
    before = sorted(elsewhere.rglob("*"))
    catalog.scan()

    formats = set()
    for entry in CatalogEntry.objects.present():
        formats.add(str(entry.format))
        assert Path(entry.path).is_relative_to(settings.MODELS_DIR)
        assert "deletes nothing" in post(staff, "delete", entry).headers["HX-Trigger"]

    assert formats == {"GGUF", "MLX"}
    assert sorted(elsewhere.rglob("*")) == before


def test_a_link_to_one_folder_for_mlx_that_is_used_in_place_is_not_emptied(folder, elsewhere):
    UsedFolder.objects.create(path=str((elsewhere / "owls").resolve()))
    (folder / "shared").unlink()
    (folder / "Fast").symlink_to(elsewhere / "owls" / "Fast-1B")

    with pytest.raises(InvalidRequest, match="deletes nothing"):
        removal.remove(scanned())


def test_a_file_of_ours_that_is_a_link_is_deleted_and_what_it_leads_to_stays(
    write, folder, elsewhere
):
    theirs = elsewhere / "theirs.gguf"
    write("plain.gguf").rename(theirs)
    (folder / "shared").unlink()
    (folder / "plain.gguf").symlink_to(theirs)
    entry = scanned()
    UsedFolder.objects.create(path=str(elsewhere.resolve()))

    removal.remove(entry)

    assert not os.path.lexists(folder / "plain.gguf")
    assert theirs.exists()


def test_a_broken_file_can_be_deleted(folder, staff):
    (folder / "broken.gguf").write_bytes(b"not a model")

    assert post(staff, "delete", scanned()).status_code == 200
    assert list(folder.iterdir()) == []


def test_what_is_only_a_link_regains_nothing(write, folder, tmp_path):
    original = write("plain.gguf")
    elsewhere = tmp_path / "elsewhere.gguf"
    os.link(original, elsewhere)

    assert removal.regained_bytes(scanned()) == 0


def test_undo_does_not_replace_a_new_file(write, folder, staff):
    path = write("plain.gguf")
    entry = scanned()
    post(staff, "delete", entry)
    path.write_bytes(b"another one")

    assert post(staff, "undelete", entry).status_code == 422
    assert path.read_bytes() == b"another one"


def test_a_new_file_where_a_deleted_one_was_is_listed(write, settings):
    write("plain.gguf")
    removal.remove(scanned())

    write("plain.gguf", name="New")
    assert scanned().is_usable
    assert removal.purge(before=timezone.now() - timedelta(minutes=1)) == 1


def test_the_default_goes_to_another_model(write, staff):
    write("a.gguf")
    write("b.gguf")
    catalog.scan()
    first = catalog.default_entry()
    assert first

    post(staff, "delete", first)

    assert catalog.default_entry() not in (None, first)


def test_members_delete_nothing(write, member):
    path = write("plain.gguf")
    entry = scanned()

    assert post(member, "delete", entry).status_code == 403
    assert post(member, "undelete", entry).status_code == 403
    assert path.exists()
