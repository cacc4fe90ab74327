"""Settings that are refused, in words that name them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.exceptions import ImproperlyConfigured

from minerva_site.configuration import configuration


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    configuration.cache_clear()
    yield
    configuration.cache_clear()


@pytest.mark.parametrize("window", ["0", "256", "1048576"])
def test_a_context_window_is_chosen_or_left_to_the_memory(monkeypatch, window):
    monkeypatch.setenv("MINERVA_CONTEXT_WINDOW", window)

    assert configuration().context_window == int(window)


@pytest.mark.parametrize("window", ["-1", "1", "255", "1048577", "much"])
def test_a_context_window_of_no_use_is_refused(monkeypatch, window):
    monkeypatch.setenv("MINERVA_CONTEXT_WINDOW", window)

    with pytest.raises(ImproperlyConfigured, match=f"MINERVA_CONTEXT_WINDOW={window}: "):
        configuration()


def test_a_draft_model_that_is_not_there_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("MINERVA_DRAFT_MODEL", str(tmp_path / "small.gguf"))
    with pytest.raises(ImproperlyConfigured, match=r"MINERVA_DRAFT_MODEL=.*there is no such file"):
        configuration()

    (tmp_path / "small.gguf").write_bytes(b"GGUF")
    assert configuration().draft_model == tmp_path / "small.gguf"
