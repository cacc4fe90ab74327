"""Folders that are used in place: which ones, that nothing in them is touched, and that they are forgotten."""

from __future__ import annotations

import html
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from inference.errors import InvalidRequest
from models_app import catalog, folders, removal
from models_app.models import CatalogEntry, UsedFolder
from tests.made_folders import write_random_folder
from tests.made_models import write_random_model

NOBODY = 65534

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of whoever runs Minerva."""
    settings.MODELS_DIR, settings.DATA_DIR = folder, tmp_path / "data"
    settings.DATA_DIR.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of somebody's with a model for each engine."""
    path = tmp_path / "elsewhere"
    write_random_folder(path / "owls" / "Fast-1B")
    (path / "owls" / "small").mkdir()
    write_random_model(path / "owls" / "small" / "small.gguf", name="Small")
    return path


def use(client: Client, path: object) -> Any:
    return client.post("/models/folders/", {"path": str(path)}, follow=True)


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode())


def state_of(path: Path) -> list[tuple[str, int, int]]:
    found = sorted([path, *path.rglob("*")])
    return [(str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in found]


def test_a_folder_is_used_where_it_is_and_forgotten_without_a_change(staff, elsewhere):
    before = state_of(elsewhere)

    shown = text_of(use(staff, f" {elsewhere} "))

    assert "2 models of" in shown
    assert sorted(one.name for one in CatalogEntry.objects.present()) == ["Fast-1B", "Small"]
    assert all("nothing" in removal.why_not(one) for one in CatalogEntry.objects.present())

    folder = UsedFolder.objects.get()
    shown = text_of(staff.post(f"/models/folders/{folder.pk}/forget", follow=True))
    assert "is not used any more" in shown
    assert not CatalogEntry.objects.present().exists()
    assert state_of(elsewhere) == before


def test_what_comes_into_it_later_is_found(staff, elsewhere):
    use(staff, elsewhere)
    write_random_model(elsewhere / "late.gguf", name="Late")

    catalog.refresh()

    assert CatalogEntry.objects.present().filter(name="Late").exists()


def test_links_are_followed_to_where_they_lead(staff, elsewhere, tmp_path):
    (tmp_path / "link").symlink_to(elsewhere)

    use(staff, tmp_path / "link")

    assert UsedFolder.objects.get().path == str(elsewhere.resolve())
    assert "already" in text_of(use(staff, elsewhere))
    assert "already" in text_of(use(staff, elsewhere / "owls"))


def test_links_in_it_that_lead_in_circles_end(staff, elsewhere):
    (elsewhere / "owls" / "again").symlink_to(elsewhere)
    (elsewhere / "self.gguf").symlink_to(elsewhere / "self.gguf")

    use(staff, elsewhere)

    assert CatalogEntry.objects.present().count() == 2


def test_a_folder_without_models_is_used_and_said_to_have_none(staff, tmp_path):
    (tmp_path / "empty").mkdir()

    assert "No model was found" in text_of(use(staff, tmp_path / "empty"))
    assert UsedFolder.objects.exists()


def test_a_folder_that_is_gone_is_named_on_the_page(staff, elsewhere):
    use(staff, elsewhere)
    elsewhere.rename(elsewhere.with_name("moved"))

    shown = text_of(staff.get("/models/"))

    assert "This folder does not exist. Its models are not listed." in shown


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "Give the path"),
        ("   ", "Give the path"),
        ("a\x00b", "Give the path"),
        ("/a\nb", "Give the path"),
        ("/" + "x" * 5000, "Give the path"),
        ("/" + "x" * 300, "cannot be read"),
        ("models", "from / on"),
        ("../models", "from / on"),
        ("~nobody-of-that-name/models", "circle, or to nobody's home"),
        ("/nothing/here", "no such folder"),
        ("/", "much besides models"),
        ("/home", "much besides models"),
        ("~", "much besides models"),
        ("/etc", "belongs to the system"),
        ("/proc/self/root/etc", "belongs to the system"),
        ("/proc/self", "belongs to the system"),
        ("/tmp/../etc", "belongs to the system"),
        ("/dev/null", "not a folder"),
        ("/etc/hostname/x", "not a folder"),
    ],
)
def test_what_is_no_folder_for_it_is_refused_in_words(staff, path, words):
    response = use(staff, path)

    assert response.status_code == 422
    assert words in text_of(response)
    assert not UsedFolder.objects.exists()


def test_minervas_own_folders_are_refused(staff, settings, tmp_path, folder):
    (settings.DATA_DIR / "logs").mkdir()
    for path in (settings.DATA_DIR, settings.DATA_DIR / "logs", folder, tmp_path):
        assert "Minerva's own data" in text_of(use(staff, path))


def test_a_circle_of_links_is_refused(staff, tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    assert "circle" in text_of(use(staff, tmp_path / "a"))


def test_what_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0)

    with as_nobody():
        assert "cannot be read" in folders.why_not(tmp_path / "locked", [])


@contextmanager
def as_nobody():
    """The superuser may read everything."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(own)


def test_no_more_are_used_than_can_be_looked_at(staff, tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST", 1)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    folders.add(str(tmp_path / "one"))

    with pytest.raises(InvalidRequest, match="Forget one first"):
        folders.add(str(tmp_path / "two"))


def test_folders_of_other_programs_are_offered_until_they_are_used(staff, home):
    path = home / ".cache" / "huggingface" / "hub"
    write_random_folder(path / "models--owls--Night-1B" / "snapshots" / ("0123456789abcdef" * 2))
    assert folders.known_places([]) == [path.resolve()]
    offered = f'name="path" value="{path.resolve()}"'
    assert offered in text_of(staff.get("/models/"))

    shown = text_of(use(staff, path))

    assert "1 model of" in shown
    assert offered not in shown
    assert CatalogEntry.objects.present().get().name == "Night-1B"


def test_lm_studios_folder_and_one_that_was_moved_are_known(home, tmp_path, monkeypatch):
    studio, moved = home / ".lmstudio" / "models", tmp_path / "hf" / "hub"
    for path in (studio, moved):
        path.mkdir(parents=True)
    monkeypatch.setenv("HF_HOME", str(moved.parent))

    assert folders.known_places([]) == [moved.resolve(), studio.resolve()]


def test_members_use_and_forget_none(member, elsewhere):
    folder = UsedFolder.objects.create(path=str(elsewhere))

    assert use(member, elsewhere).status_code == 403
    assert member.post(f"/models/folders/{folder.pk}/forget").status_code == 403
    assert UsedFolder.objects.count() == 1
