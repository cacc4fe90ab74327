"""The engine's loop: what it costs beside the model, and what batching gains.

Both are ratios within one run, on a model in the shape of a 135M one with random weights: the part
of a step that is not the model's decode, and the speed of several sequences to that of one.
"""

from __future__ import annotations

import tempfile
import time
from array import array
from collections.abc import Sequence as Tokens
from dataclasses import dataclass
from pathlib import Path

from inference.backends.base import BatchEntry, DecodeResult, Sampler
from inference.backends.llama.loading import load_model
from inference.backends.llama.model import LlamaModel
from inference.engine.engine import Engine
from inference.engine.posts import Announced, Prepared
from inference.engine.sequence import Prompt, Sequence
from inference.messages import LoadSettings
from inference.types import Event, ModelSpec, SamplingParams
from tests.made_models import write_random_model

LAYERS, WIDTH = 30, 576
NUM_TOKENS = 64
PROMPT = "Tell me of owls, their wings and their nights."
SAMPLING = SamplingParams(max_tokens=NUM_TOKENS, seed=1)
BATCHES = (1, 4, 8)


@dataclass
class Stopwatch:
    """Counts the time that is spent inside the model's decode and sampling."""

    decode: float = 0.0
    sample: float = 0.0

    def watch(self, model: LlamaModel) -> None:
        decode, sample = model.decode, model.sample

        def timed_decode(batch: Tokens[BatchEntry]) -> DecodeResult:
            began = time.perf_counter()
            result = decode(batch)
            self.decode += time.perf_counter() - began
            return result

        def timed_sample(index: int, sampler: Sampler, *, place: int = 0) -> int:
            began = time.perf_counter()
            token = sample(index, sampler, place=place)
            self.sample += time.perf_counter() - began
            return token

        model.decode, model.sample = timed_decode, timed_sample  # type: ignore[method-assign]


@dataclass(frozen=True)
class Row:
    num_sequences: int
    num_steps: int
    seconds: float
    decode: float
    sample: float

    @property
    def loop(self) -> float:
        """What is neither decode nor sampling: schedule, detokenize, emit, keep the books."""
        return self.seconds - self.decode - self.sample

    @property
    def tokens_per_second(self) -> float:
        return self.num_sequences * NUM_TOKENS / self.seconds


def measure(model: LlamaModel, watch: Stopwatch, num_sequences: int) -> Row:
    events: list[tuple[str, Event]] = []
    engine = Engine(model, emit=lambda *event: events.append(event), clock=time.monotonic)
    for number in range(num_sequences):
        prompt = array("i", model.tokenize(f"{number}: {PROMPT}"))
        engine.post(Announced(Sequence(str(number), time.monotonic(), SAMPLING)))
        engine.post(Prepared(str(number), Prompt(prompt)))
    watch.decode = watch.sample = 0.0
    began = time.perf_counter()
    while engine.step():
        pass
    seconds = time.perf_counter() - began
    empty_cache(model)
    return Row(num_sequences, engine.num_steps, seconds, watch.decode, watch.sample)


def empty_cache(model: LlamaModel) -> None:
    """The next engine knows nothing of what this one left there."""
    for slot in range(model.num_slots):
        model.forget(slot)


def load(folder: Path) -> LlamaModel:
    path = write_random_model(folder / "135m.gguf", layers=LAYERS, width=WIDTH)
    spec = ModelSpec(model_id="135m", name="135m", path=str(path))
    return load_model(spec, LoadSettings(gpu_layers=0), lambda _: None)


def print_rows(rows: list[Row]) -> None:
    print(f"{'sequences':>9}{'steps':>7}{'step':>11}{'decode':>9}{'sample':>9}{'loop':>9}", end="")
    print(f"{'tokens/s':>10}{'to alone':>10}")
    for row in rows:
        shares = [part / row.seconds for part in (row.decode, row.sample, row.loop)]
        gain = row.tokens_per_second / rows[0].tokens_per_second
        print(f"{row.num_sequences:>9}{row.num_steps:>7}", end="")
        print(f"{row.seconds / row.num_steps * 1000:>8.2f} ms", end="")
        print("".join(f"{share:>9.2%}" for share in shares), end="")
        print(f"{row.tokens_per_second:>10.0f}{gain:>8.2f} x")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = load(Path(folder))
        watch = Stopwatch()
        watch.watch(model)
        measure(model, watch, 1)  # not counted: the first steps read the weights
        print_rows([measure(model, watch, number) for number in BATCHES])
        model.close()


if __name__ == "__main__":
    main()
