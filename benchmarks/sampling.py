"""What choosing a token costs, by the size of the vocabulary: Minerva's sampler, and the same chain of
llama.cpp's samplers over all tokens. Random logits; microseconds a token, the median of many."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inference.backends.candidates import Logits, all_tokens
from inference.backends.llama.loading import load_model
from inference.backends.llama.model import LlamaModel
from inference.backends.llama.sampler import LlamaSampler
from inference.messages import LoadSettings
from inference.types import ModelSpec, SamplingParams
from tests.made_models import FIRST_ADDED, write_random_model

VOCABULARIES = (1_024, 32_768, 151_936)
DEFAULT = SamplingParams(seed=1)
ALL_SAMPLERS = SamplingParams(
    seed=1, typical_p=0.9, repeat_penalty=1.1, dynatemp_range=0.2, xtc_probability=0.2
)
TIMES = 200


class WholeVocabulary(LlamaSampler):
    """Looks at every token."""

    def _candidates(self, logits: Logits) -> np.ndarray:
        return all_tokens(logits)


def microseconds(choose: Callable[[Logits], int], rows: np.ndarray) -> float:
    taken = []
    for number in range(TIMES):
        began = time.perf_counter()
        choose(rows[number % len(rows)])
        taken.append(time.perf_counter() - began)
    return 1e6 * statistics.median(taken)


def model_of(folder: Path, size: int) -> LlamaModel:
    path = folder / f"{size}.gguf"
    write_random_model(path, layers=1, unused_tokens=size - FIRST_ADDED)
    spec = ModelSpec(model_id=str(size), name=str(size), path=str(path))
    return load_model(spec, LoadSettings(gpu_layers=0), lambda _: None)


def main() -> None:
    print(f"\n{'choosing a token, in µs':36}{'Minerva':>12}{'all tokens':>12}{'to it':>10}")
    for size in VOCABULARIES:
        with tempfile.TemporaryDirectory() as folder:
            model = model_of(Path(folder), size)
            rows = np.random.default_rng(0).normal(size=(8, size)).astype(np.float32) * 4
            for name, params in (("default", DEFAULT), ("all samplers", ALL_SAMPLERS)):
                own, whole = (
                    microseconds(kind(params, model.vocabulary).choose, rows)
                    for kind in (LlamaSampler, WholeVocabulary)
                )
                print(
                    f"{f'{size:,} tokens, {name}':36}{own:>12.0f}{whole:>12.0f}{own / whole:>9.2f}x"
                )
            model.close()


if __name__ == "__main__":
    main()
