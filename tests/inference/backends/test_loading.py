"""How large a context window is that nobody chose."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.backends.llama import loading
from inference.backends.llama.loading import load_model
from inference.hardware.memory import Memory
from inference.memory_estimate import window_within
from inference.messages import LoadSettings
from inference.types import ModelSpec
from tests.made_models import write_random_model


@pytest.mark.parametrize(
    ("num_bytes", "window"),
    [
        (0, 4096),
        (4096 * 1000, 4096),
        (5000 * 1000, 4864),
        (32_768 * 1000, 32_768),
        (10**12, 32_768),
    ],
)
def test_it_is_what_fits_within_a_range_of_use(num_bytes: int, window: int):
    assert window_within(num_bytes, bytes_a_token=1000) == window


@pytest.mark.parametrize(("kv_cache_type", "bytes_a_token"), [("f16", 512), ("q8_0", 272)])
def test_free_memory_and_the_shape_of_the_model_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kv_cache_type, bytes_a_token
):
    """Two layers, two KV heads of 32 values, keys and values."""
    path = write_random_model(tmp_path / "m.gguf", context_length=100_000)
    free = 8 * 10_000 * bytes_a_token
    monkeypatch.setattr(loading, "probe_memory", lambda: Memory(free, free, limited=False))
    spec = ModelSpec(model_id="m", name="m", path=str(path))
    settings = LoadSettings(context_window=0, gpu_layers=0, kv_cache_type=kv_cache_type)

    model = load_model(spec, settings, lambda _: None)

    assert model.context_window == 9984
    model.close()


def test_heads_larger_than_their_share_of_the_width_take_more(tmp_path, monkeypatch):
    """Two layers, two KV heads of 128 values instead of 32."""
    path = write_random_model(tmp_path / "m.gguf", context_length=100_000, key_length=128)
    free = 8 * 10_000 * 2 * 2 * 2 * 128 * 2
    monkeypatch.setattr(loading, "probe_memory", lambda: Memory(free, free, limited=False))
    spec = ModelSpec(model_id="m", name="m", path=str(path))

    model = load_model(spec, LoadSettings(context_window=0, gpu_layers=0), lambda _: None)

    assert model.context_window == 9984
    model.close()


def test_the_model_itself_may_hold_less(tmp_path: Path):
    path = write_random_model(tmp_path / "m.gguf", context_length=512)
    spec = ModelSpec(model_id="m", name="m", path=str(path))

    model = load_model(spec, LoadSettings(context_window=0, gpu_layers=0), lambda _: None)

    assert model.context_window == 512
    model.close()
