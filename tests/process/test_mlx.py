"""What only concerns MLX: the built-in guide through it, packed weights, broken folders, its process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from guide import topics
from guide.huggingface import write_huggingface

from inference.causes import Cause
from inference.hardware.mlx_install import DEFAULT_PYTHON
from inference.messages import Embed, LoadFailed
from inference.types import (
    ChatMessage,
    Embedding,
    Failed,
    Finished,
    ModelState,
    Pooling,
    SamplingParams,
)
from tests.conftest import GUIDE_FILE
from tests.made_folders import write_random_folder, write_scripted_folder
from tests.made_models import write_scripted_model
from tests.process.engines import needs_mlx
from tests.process.runner_process import RunnerProcess, running, text_of
from tests.process.service_process import ServiceProcess, spec_of, wait_until

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]
GREEDY = SamplingParams(temperature=0.0, max_tokens=256)
QUESTIONS = ("What is GGUF?", "WHAT IS GGUF?", "what are tokens", "What is the capital of France?")
# The pattern is no program that can be read: the tokenizer's Rust code panics.
POOLING_NAMES: dict[Pooling, str] = {
    "last": "pooling_mode_lasttoken",
    "cls": "pooling_mode_cls_token",
}
TEXTS = ("What is GGUF?", "Owls fly at night. " * 60, "<|im_end|>", "x")
PANIC = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}


@pytest.fixture(scope="module")
def guide_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide") / "guide"
    write_huggingface(GUIDE_FILE, folder)
    return folder


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    with ServiceProcess(tmp_path) as service:
        yield service


@needs_mlx
def test_the_built_in_guide_answers_the_same_through_both_engines(guide_folder):
    answers = []
    for path in (GUIDE_FILE, guide_folder):
        with running(path, speculation=False) as runner:
            for question in QUESTIONS:
                runner.start(question, question, GREEDY)
            runner.read_to_end(*QUESTIONS)
            told = runner.text(QUESTIONS[0])
            first = (ChatMessage("user", QUESTIONS[0]), ChatMessage("assistant", told))
            runner.start_chat("more", (*first, ChatMessage("user", "tell me more")), GREEDY)
            runner.read_to_end("more")
            answers.append([runner.text(name) for name in (*QUESTIONS, "more")])

    gguf = topics.load().by_name["what-is-gguf"]
    assert answers[0] == answers[1]
    assert (answers[1][0], answers[1][-1]) == (gguf.answer, gguf.more)


@needs_mlx
@pytest.mark.parametrize("pooling", [None, "last", "cls"])
def test_vectors_are_those_that_llama_cpp_makes_of_the_same_weights(
    guide_folder: Path, tmp_path: Path, pooling: Pooling | None
):
    folder = tmp_path / "pooled"
    shutil.copytree(guide_folder, folder)
    if pooling:
        (folder / "1_Pooling").mkdir()
        said = {POOLING_NAMES[pooling]: True, "pooling_mode_mean_tokens": False}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))
    vectors = []
    asked: Pooling | None
    for path, asked in ((GUIDE_FILE, pooling or "mean"), (folder, None)):
        with running(path, speculation=False) as runner:
            runner.send(Embed("vectors", TEXTS, asked))
            runner.read_to_end("vectors")
            found = [one for one in runner.of("vectors") if isinstance(one, Embedding)]
        vectors.append([np.frombuffer(one.vector, "<f4") for one in found])

    assert len(vectors[0]) == len(vectors[1]) == len(TEXTS)
    # llama.cpp rounds what it multiplies weights of 16 bits with to 16 bits, too.
    likeness = [float(one @ other) for one, other in zip(*vectors, strict=True)]
    assert min(likeness) > 1 - 2e-3
    assert float(vectors[0][0] @ vectors[1][-1]) < 0.5


@needs_mlx
def test_a_model_of_four_bits_says_what_it_was_made_to_say(tmp_path):
    path = write_scripted_folder(tmp_path / "packed", "Four bits are enough for this.", bits=4)

    with running(path) as runner:
        assert text_of(runner.complete("Hello")) == "Four bits are enough for this."


def refusal(path: Path) -> LoadFailed:
    runner = RunnerProcess(DEFAULT_PYTHON)
    try:
        refused = runner.load(path)
        assert runner.process.wait(60) == 1
    finally:
        runner.close()
    assert isinstance(refused, LoadFailed)
    return refused


def rewritten(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@needs_mlx
@pytest.mark.parametrize(
    ("file", "values", "words"),
    [
        ("tokenizer.json", {"model": {"type": "BPE"}}, "tokenizer.json is damaged"),
        ("tokenizer.json", {"normalizer": PANIC}, "tokenizer.json is damaged"),
        ("config.json", {"model_type": "no_such_one"}, "does not know the model's architecture"),
        ("config.json", {"hidden_size": 128}, "do not belong together"),
        ("config.json", {"num_hidden_layers": "two"}, "could not load"),
    ],
)
def test_a_folder_that_mlx_cannot_load_is_refused_in_words(tmp_path, file, values, words):
    path = write_random_folder(tmp_path / "broken")
    rewritten(path / file, **values)

    assert words in refusal(path).error.message


@needs_mlx
async def test_a_killed_runner_is_seen_and_the_next_request_is_answered(service, tmp_path):
    path = write_scripted_folder(tmp_path / "loop", "Again and again. ", loop=True)
    name = await service.start(path)
    await service.until_it_writes(name)

    await service.kill_runner(path)

    end = (await service.read(name))[-1]
    assert isinstance(end, Failed)
    assert end.error.code == "runner_crashed"
    other = write_scripted_folder(tmp_path / "other", "Back.")
    assert text_of(await service.complete(other)) == "Back."
    await service.until_it_writes(await service.start(path))


@needs_mlx
async def test_it_is_loaded_measured_and_unloaded_like_any_other(service, tmp_path):
    path = write_scripted_folder(tmp_path / "usual", "As usual.")
    assert isinstance((await service.complete(path))[-1], Finished)

    status = await service.status_of(path)
    assert status is not None
    assert (status.state, status.device, status.fallback) == (ModelState.READY, "CPU", "")
    assert status.engine.startswith("MLX (mlx-lm 0.32.")
    assert status.memory > path.joinpath("model.safetensors").stat().st_size
    runners = service.runners()
    await service.client.unload(path.stem)
    await wait_until(lambda: not any(one.is_running() for one in runners))


async def test_without_mlx_its_models_say_what_to_do_and_others_run(tmp_path):
    path = write_random_folder(tmp_path / "waiting")
    other = write_scripted_model(tmp_path / "other.gguf", "Here.")
    with ServiceProcess(tmp_path, "--mlx-python", str(tmp_path / "nowhere")) as service:
        await service.client.load(spec_of(path))
        end = (await service.complete(path))[-1]

        assert isinstance(end, Failed)
        assert "make mlx" in end.error.message
        assert end.error.facts["cause"] == Cause.MISSING_LIBRARY.value
        assert text_of(await service.complete(other)) == "Here."
