"""Static files are named by their content, and what one imports of another is so as well."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from pytest_django import Settings

from minerva_site.static_files import HashedStaticFiles


@pytest.fixture
def collected(settings: Settings, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {
            "BACKEND": "minerva_site.static_files.HashedStaticFiles",
            "OPTIONS": {"location": tmp_path},
        },
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_modules_import_each_other_by_hashed_names(collected: Path) -> None:
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]

    entry = (collected / names["js/minerva.js"]).read_text()

    imported = re.findall(r'import\s*"\./([^"]+)"', entry)
    assert imported
    assert {f"js/{name}" for name in imported} <= set(names.values())


def test_file_is_named_plainly_when_nothing_was_collected(tmp_path: Path) -> None:
    storage = HashedStaticFiles(location=tmp_path, base_url="/static/")

    assert storage.url("css/base.css") == "/static/css/base.css"


def test_configured_storage_is_ours() -> None:
    assert isinstance(staticfiles_storage, HashedStaticFiles)
