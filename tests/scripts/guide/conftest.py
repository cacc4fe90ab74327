from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from django.conf import settings
from guide import topics
from guide.gguf_file import GuideModel, read_gguf
from guide.tokenizer import Codec
from guide.topics import Knowledge


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return topics.load()


@pytest.fixture(scope="session")
def guide_file() -> Path:
    """The model that ships."""
    return settings.BASE_DIR / "models_app" / "built_in" / "minerva-guide-q8_0.gguf"


@pytest.fixture(scope="session")
def model(guide_file: Path) -> GuideModel:
    return read_gguf(guide_file)


@pytest.fixture(scope="session")
def codec(model: GuideModel) -> Codec:
    return Codec(model.tokenizer)


@pytest.fixture
def rng() -> Random:
    return Random(1)
