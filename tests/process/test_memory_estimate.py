"""What a model is said to need is what its process takes, once it has read a prompt."""

from __future__ import annotations

from typing import Any

import psutil
import pytest

from inference.gguf_model import read_model
from inference.memory_estimate import estimate
from inference.types import KVCacheType, SamplingParams
from tests.made_models import write_random_model
from tests.process.runner_process import running

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

SHAPES: dict[str, dict[str, Any]] = {
    "1 MB": {"layers": 2, "width": 128},
    "15 MB": {"layers": 8, "width": 256, "unused_tokens": 5_000},
    "heads larger than their share": {"layers": 8, "width": 256, "key_length": 64},
    "sliding windows": {"layers": 8, "width": 512, "sliding_window": 128},
    "320 MB": {"layers": 24, "width": 768, "unused_tokens": 49_000, "kv_heads": 8},
    "1 GB": {"layers": 27, "width": 1280, "unused_tokens": 49_000, "kv_heads": 8},
}
PROMPT = "The owl and the moon. " * 30


@pytest.fixture(scope="module", params=SHAPES)
def path(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    shape = SHAPES[request.param]
    path = write_random_model(folder / "m.gguf", context_length=32_768, **shape)
    yield path
    path.unlink()


@pytest.mark.parametrize(
    ("window", "kv_cache_type"), [(1024, "f16"), (8192, "f16"), (8192, "q8_0"), (32_768, "f16")]
)
def test_the_estimate_is_within_a_tenth_of_what_is_used(
    path, window: int, kv_cache_type: KVCacheType
):
    settings = {"context_window": window, "kv_cache_type": kv_cache_type, "threads": 1}
    with running(path, gpu_layers=0, prompt_cache_bytes=0, **settings) as runner:
        runner.complete(PROMPT, SamplingParams(max_tokens=2))
        used = psutil.Process(runner.process.pid).memory_info().rss

    found = estimate(read_model(path), context_window=window, kv_cache_type=kv_cache_type)

    assert found.total == pytest.approx(used, rel=0.1)
