"""Deleting a model: what is refused, what comes back, and what is gone."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from models_app import catalog, removal
from models_app.models import CatalogEntry
from tests.inference.test_gguf_model import write_split
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
