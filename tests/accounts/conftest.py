from __future__ import annotations

import pytest
from django.core.cache import cache

from accounts.models import User

NAME = "alice"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def no_earlier_attempts() -> None:
    cache.clear()


@pytest.fixture
def administrator(db) -> User:
    return User.objects.create_superuser(NAME, password=PASSWORD)


@pytest.fixture
def token(settings, tmp_path) -> str:
    """What `serve` leaves for the first run."""
    settings.SETUP_TOKEN_FILE = tmp_path / "setup_token"
    settings.SETUP_TOKEN_FILE.write_text("the-token-of-this-test\n")
    return "the-token-of-this-test"
