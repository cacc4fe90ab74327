"""Every test run has a data directory of its own, chosen before Django reads its settings."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from importlib import import_module
from pathlib import Path

import django
import pytest
from django.conf import settings

data_dir = os.environ["MINERVA_DATA_DIR"] = tempfile.mkdtemp(prefix="minerva-test-")
os.environ["DJANGO_SETTINGS_MODULE"] = "minerva_site.settings"
atexit.register(shutil.rmtree, data_dir, ignore_errors=True)

# Now, since the conftest of a folder named on the command line is imported before any hook runs.
django.setup()
assert Path(data_dir) == settings.DATA_DIR

# The same Argon2id over less memory: thousands of tests make somebody with a password.
import_module("accounts.hashers").BoundedArgon2PasswordHasher.memory_cost = 64


RENDERS_PAGES = {"accounts", "api", "chat", "minerva_site", "models_app"}


@pytest.fixture(scope="session", autouse=True)
def static_files(request: pytest.FixtureRequest) -> None:
    """Pages name static files by their hash, so they are collected as `serve` would do it."""
    here = Path(__file__).parent
    folders = {item.path.relative_to(here).parts[0] for item in request.session.items}
    if folders & RENDERS_PAGES:
        from minerva_site.preparation import collect_static_files

        collect_static_files()


GUIDE_FILE = settings.GUIDE_FILE


@pytest.fixture(autouse=True)
def without_guide(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The catalog of a test holds what the test put there; see `with_guide`."""
    monkeypatch.setattr(settings, "GUIDE_FILE", tmp_path_factory.getbasetemp() / "no-guide.gguf")


@pytest.fixture
def with_guide(without_guide: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in guide is there, as in the product."""
    monkeypatch.setattr(settings, "GUIDE_FILE", GUIDE_FILE)
