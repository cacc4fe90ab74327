"""Ada is the administrator and Grace a member; there is one real model file."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from models_app import catalog
from models_app.models import CatalogEntry
from tests.made_models import write_scripted_model

ANSWER = "The **answer** is here."


@pytest.fixture(scope="session")
def model_file() -> Path:
    folder = settings.MODEL_DIRS[0]
    folder.mkdir(parents=True, exist_ok=True)
    return write_scripted_model(folder / "plain.gguf", ANSWER)


@pytest.fixture
def entry(db: None, model_file: Path) -> CatalogEntry:
    catalog.scan()
    return CatalogEntry.objects.get(path=str(model_file))


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_superuser("ada", password="correct horse battery")


@pytest.fixture
def grace(ada: User) -> User:
    return User.objects.create_user("grace", password="correct horse battery")


@pytest.fixture
def site(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def member(grace: User) -> Client:
    client = Client()
    client.force_login(grace)
    return client
