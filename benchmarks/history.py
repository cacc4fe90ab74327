"""The second turn of a chat: how long until its first token, with and without the first turn at hand.

A ratio within one run, on a model in the shape of a 135M one with random weights. The history is
found by the same user's prompt and not by another's, so both are measured in the same engine.
"""

from __future__ import annotations

import tempfile
import time
from array import array
from pathlib import Path

from benchmarks.engine_loop import empty_cache, load
from benchmarks.measuring import print_ratios
from inference.backends.llama.model import LlamaModel
from inference.engine.engine import Engine
from inference.engine.posts import Announced, Prepared
from inference.engine.sequence import Prompt, Sequence
from inference.types import Event, Finished, SamplingParams

HISTORIES = (100, 400, 1200)
NEW_TOKENS = 30
SAMPLING = SamplingParams(max_tokens=16, seed=1)


def first_token_seconds(engine: Engine, events: list[Event], prompt: str, user: str) -> float:
    name = f"{user} {len(events)}"
    engine.post(Announced(Sequence(name, time.monotonic(), SAMPLING, user)))
    engine.post(Prepared(name, Prompt(array("i", prompt.encode()))))
    while engine.step():
        pass
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.timings.time_to_first_token is not None
    return last.timings.time_to_first_token


def measure(model: LlamaModel, history: int) -> dict[str, float]:
    events: list[Event] = []
    engine = Engine(model, emit=lambda _, event: events.append(event), clock=time.monotonic)
    first = "o" * history
    first_token_seconds(engine, events, first, "ada")
    second = first + "w" * NEW_TOKENS
    seconds = {
        "computed anew": first_token_seconds(engine, events, second, "grace"),
        "with the first turn in the cache": first_token_seconds(engine, events, second, "ada"),
    }
    empty_cache(model)
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = load(Path(folder))
        measure(model, HISTORIES[0])  # not counted: the first steps read the weights
        for history in HISTORIES:
            title = f"First token after {NEW_TOKENS} new tokens, history of {history} tokens"
            print_ratios(title, measure(model, history))
        model.close()


if __name__ == "__main__":
    main()
