"""The built-in guide in the catalog: always there, never the user's problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from models_app import catalog
from models_app.models import CatalogEntry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service", "with_guide")]


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada", password="correct horse battery"))
    return client


def guide() -> CatalogEntry:
    return CatalogEntry.objects.get(is_guide=True)


def test_it_is_in_the_catalog_and_the_default_before_anything_was_added(folder):
    catalog.scan()

    assert catalog.default_entry() == guide()
    assert guide().is_usable
    assert guide().has_chat_template
    assert 3_000_000 < guide().num_parameters < 4_000_000
    assert not guide().is_default


def test_the_first_other_model_takes_its_place(folder, write):
    catalog.scan()
    write("z.gguf")

    catalog.scan()

    default = catalog.default_entry()
    assert default is not None
    assert default.name == "z"
    assert default.is_default


def test_it_stands_in_when_the_other_models_are_gone(folder, write):
    path = write("z.gguf")
    catalog.scan()
    path.unlink()

    catalog.scan()

    assert catalog.default_entry() == guide()


def test_a_broken_model_is_no_better_one(folder):
    (folder / "broken.gguf").write_text("text")

    catalog.scan()

    assert catalog.default_entry() == guide()


def test_it_may_be_made_the_default(folder, write, staff):
    write("z.gguf")
    catalog.scan()

    staff.post(reverse("models:make_default", args=[guide().pk]))

    assert catalog.default_entry() == guide()


def test_it_is_listed_last_and_says_what_it_is(folder, write, staff):
    write("z.gguf", name="Zebra")

    page = staff.get("/models/").content.decode()

    assert "Built-in guide" in page
    assert "cannot be deleted" in page
    assert page.index("Zebra") < page.index("Built-in guide")
    assert "Add your first model" not in page


def test_alone_it_leaves_room_for_how_to_add_a_model(folder, staff):
    page = staff.get("/models/").content.decode()

    assert "Built-in guide" in page
    assert "Add your first model" in page


def test_it_cannot_be_dropped_from_the_list(folder, staff, settings: Any, tmp_path: Path):
    catalog.scan()
    settings.GUIDE_FILE = tmp_path / "gone.gguf"
    CatalogEntry.objects.update(is_missing=True)

    answer = staff.post(reverse("models:forget", args=[guide().pk]))

    assert answer.status_code == 422
    assert guide().is_guide


def test_it_stays_one_entry_when_the_checkout_moves(folder, settings: Any, tmp_path: Path):
    catalog.scan()
    before = guide().pk
    moved = tmp_path / "elsewhere.gguf"
    moved.write_bytes(Path(settings.GUIDE_FILE).read_bytes())
    settings.GUIDE_FILE = moved

    catalog.scan()

    assert guide().pk == before
    assert CatalogEntry.objects.count() == 1
    assert guide().is_usable


def test_a_folder_of_models_that_holds_it_does_not_list_it_twice(folder, settings: Any):
    settings.MODEL_DIRS = [folder, Path(settings.GUIDE_FILE).parent]

    catalog.scan()

    assert CatalogEntry.objects.get().is_guide


def test_a_copy_of_minerva_without_it_has_no_model(folder, settings: Any, tmp_path: Path):
    settings.GUIDE_FILE = tmp_path / "gone.gguf"

    catalog.scan()

    assert catalog.default_entry() is None
