"""Embeddings of real models: as llama.cpp's own pooling makes them, alone and in batches, beside
completions, cancelled and refused."""

from __future__ import annotations

import ctypes
import itertools
import random
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import numpy.typing as npt
import pytest

from inference.backends.base import DecodeResult
from inference.backends.llama.loading import load_model
from inference.backends.llama.model import LlamaModel
from inference.engine.engine import Engine
from inference.engine.posts import Announced, Prepared, PreparedInputs
from inference.engine.sequence import Prompt, Sequence
from inference.errors import InferenceError
from inference.messages import LoadSettings
from inference.types import (
    Delta,
    Embedding,
    Event,
    Failed,
    Finished,
    FinishReason,
    ModelSpec,
    Pooling,
    SamplingParams,
)
from tests.made_encoder import write_encoder
from tests.made_models import write_random_model

KINDS = {
    "mean": llama_cpp.LLAMA_POOLING_TYPE_MEAN,
    "cls": llama_cpp.LLAMA_POOLING_TYPE_CLS,
    "last": llama_cpp.LLAMA_POOLING_TYPE_LAST,
}
TEXTS = (
    "Tell me of the owls.",
    "owl",
    "the moon and the night, the mouse and the owl",
    "why? " * 30,
    "Grüße, 世界!",
)
# Batches of another size round otherwise.
CLOSE = 2e-3

Vector = npt.NDArray[np.float32]


def load(path: Path) -> LlamaModel:
    spec = ModelSpec(model_id=path.stem, name=path.stem, path=str(path))
    return load_model(spec, LoadSettings(gpu_layers=0, threads=1), lambda _: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def models(folder: Path) -> Iterator[dict[str, LlamaModel]]:
    loaded = {
        "encoder": load(write_encoder(folder / "encoder.gguf")),
        "generator": load(write_random_model(folder / "generator.gguf")),
    }
    yield loaded
    for model in loaded.values():
        model.close()


@pytest.fixture(autouse=True)
def _emptied(models: dict[str, LlamaModel]) -> None:
    """Each engine takes its model's cache to be empty."""
    for model in models.values():
        empty(model)


def empty(model: LlamaModel) -> None:
    for slot in range(model.num_slots):
        model.forget(slot)


class Run:
    """An engine over a real model, and the events it emitted."""

    def __init__(self, model: LlamaModel) -> None:
        self.model = model
        self.events: dict[str, list[Event]] = {}
        self.engine = Engine(model, emit=self._emit, clock=time.monotonic)

    def embed(self, name: str, *texts: str, pooling: Pooling | None = None) -> None:
        self.engine.post(Announced(Sequence(name, time.monotonic())))
        tokens = tuple(self.model.tokenize_input(text) for text in texts)
        self.engine.post(PreparedInputs(name, tokens, pooling))

    def complete(self, name: str, prompt: str, *, max_tokens: int) -> None:
        sampling = SamplingParams(temperature=0.0, max_tokens=max_tokens)
        self.engine.post(Announced(Sequence(name, time.monotonic(), sampling)))
        self.engine.post(Prepared(name, Prompt(self.model.tokenize(prompt))))

    def finish(self) -> None:
        while self.engine.step():
            self.engine.scheduler.check_integrity()
        assert self.engine.num_waiting == self.engine.num_running == 0

    def vectors(self, name: str) -> list[Vector]:
        embeddings = [event for event in self.events[name] if isinstance(event, Embedding)]
        assert [one.index for one in embeddings] == list(range(len(embeddings)))
        return [np.frombuffer(one.vector, "<f4") for one in embeddings]

    def text(self, name: str) -> str:
        return "".join(one.text for one in self.events[name] if isinstance(one, Delta))

    def _emit(self, name: str, event: Event) -> None:
        self.events.setdefault(name, []).append(event)


def embedded(model: LlamaModel, *texts: str, pooling: Pooling | None = None) -> list[Vector]:
    run = Run(model)
    run.embed("one", *texts, pooling=pooling)
    run.finish()
    return run.vectors("one")


def pooled_by_llama(model: LlamaModel, tokens: array[int], kind: int) -> Vector:
    """What llama.cpp's own pooling makes of one input, in a context that is made for it."""
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 512
    params.embeddings = True
    params.pooling_type = kind
    context = llama_cpp.llama_init_from_model(model._model, params)
    values = (ctypes.c_int32 * len(tokens))(*tokens)
    batch = llama_cpp.llama_batch_get_one(values, len(tokens))
    assert llama_cpp.llama_decode(context, batch) == 0
    width = llama_cpp.llama_model_n_embd(model._model)
    vector = np.array(llama_cpp.llama_get_embeddings_seq(context, 0)[:width], np.float32)
    llama_cpp.llama_free(context)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("kind", ["encoder", "generator"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_vectors_are_those_of_llama_cpp(models, kind, pooling):
    vectors = embedded(models[kind], *TEXTS, pooling=pooling)

    for text, vector in zip(TEXTS, vectors, strict=True):
        expected = pooled_by_llama(models[kind], models[kind].tokenize_input(text), KINDS[pooling])
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert np.abs(vector - expected).max() < CLOSE


def test_vectors_of_different_texts_differ(models):
    for model in models.values():
        vectors = embedded(model, *TEXTS)
        for one, other in itertools.combinations(vectors, 2):
            assert np.abs(one - other).max() > 10 * CLOSE


@pytest.mark.parametrize(
    ("trained", "pooling"),
    [
        (gguf.PoolingType.MEAN, "mean"),
        (gguf.PoolingType.CLS, "cls"),
        (gguf.PoolingType.LAST, "last"),
        (None, "mean"),
    ],
)
def test_a_model_is_pooled_as_it_was_trained(folder, trained, pooling):
    model = load(write_encoder(folder / f"{trained}.gguf", pooling=trained))

    for one, other in zip(
        embedded(model, *TEXTS), embedded(model, *TEXTS, pooling=pooling), strict=True
    ):
        assert np.array_equal(one, other)
    model.close()


@pytest.mark.parametrize("kind", ["encoder", "generator"])
@pytest.mark.parametrize("seed", range(5))
def test_vectors_are_the_same_in_any_company(models, kind, seed):
    """Some hundred texts of one to some hundred tokens, in several requests at once."""
    model, generator = models[kind], random.Random(seed)
    words = ["owl", "moon", "night", "why", "the", "and"]
    texts = [
        " ".join(generator.choices(words, k=generator.choice((1, 5, 20, 60)))) for _ in range(60)
    ]
    run = Run(model)
    for start in range(0, 60, 20):
        run.embed(str(start), *texts[start : start + 20])
    if model.generates:
        run.complete("beside", "Tell me of owls.", max_tokens=30)
    run.finish()

    together = [vector for start in range(0, 60, 20) for vector in run.vectors(str(start))]
    for number in generator.sample(range(60), 10):
        assert np.abs(together[number] - embedded(model, texts[number])[0]).max() < CLOSE


def test_a_long_input_of_a_generating_model_is_computed_in_parts(models):
    model, text = models["generator"], "the owl and the moon. " * 80
    tokens = model.tokenize_input(text)
    assert len(tokens) > 3 * model.make_embedding_model().token_budget

    run = Run(model)
    run.embed("long", text, "owl", pooling="mean")
    run.finish()

    assert run.engine.num_steps > 3
    assert np.abs(run.vectors("long")[1] - embedded(model, "owl")[0]).max() < CLOSE
    end = run.events["long"][-1]
    assert isinstance(end, Finished)
    assert end.reason is FinishReason.STOP
    assert (end.usage.prompt_tokens, end.usage.completion_tokens) == (len(tokens) + 3, 0)


def test_completions_go_on_beside_embeddings_and_say_the_same(models):
    model = models["generator"]
    alone = Run(model)
    alone.complete("text", "Tell me of owls.", max_tokens=40)
    alone.finish()
    empty(model)

    run = Run(model)
    run.complete("text", "Tell me of owls.", max_tokens=40)
    run.embed("vectors", *["the owl and the moon. " * 20] * 30)
    run.engine.step()
    deltas = []
    for _ in range(20):
        run.engine.step()
        deltas.append(len(run.text("text")))

    assert deltas == sorted(deltas)
    assert deltas[-1] > deltas[0]
    run.finish()
    assert run.text("text") == alone.text("text")
    assert len(run.vectors("vectors")) == 30


def test_a_cancelled_request_ends_and_leaves_the_others(models):
    run = Run(models["generator"])
    run.embed("gone", *["the owl and the moon. " * 30] * 20)
    run.embed("stays", "owl")
    run.engine.step()
    run.engine.cancel("gone")
    run.finish()

    end = run.events["gone"][-1]
    assert isinstance(end, Finished)
    assert end.reason is FinishReason.CANCELLED
    assert len(run.vectors("gone")) < 20
    assert len(run.vectors("stays")) == 1


def test_a_cancel_interrupts_a_batch(models, monkeypatch):
    model = models["generator"]
    run = Run(model)
    run.embed("gone", *["the owl and the moon. " * 30] * 20)
    run.embed("stays", "owl")
    embedding = run.engine._embedder.model
    decode = embedding.decode

    def cancelled_within(batch):
        run.engine.cancel("gone")
        return decode(batch)

    with monkeypatch.context() as patch:
        patch.setattr(embedding, "decode", cancelled_within)
        run.engine.step()
    run.finish()

    assert run.vectors("gone") == []
    assert np.abs(run.vectors("stays")[0] - embedded(model, "owl")[0]).max() < CLOSE


def test_a_batch_that_fails_ends_its_requests_and_no_other(models, monkeypatch):
    run = Run(models["generator"])
    run.embed("first", "owl")
    embedding = run.engine._embedder.model
    with monkeypatch.context() as patch:
        patch.setattr(embedding, "decode", lambda batch: DecodeResult.FAILED)
        run.engine.step()
    run.embed("second", "owl")
    run.finish()

    assert isinstance(run.events["first"][-1], Failed)
    assert len(run.vectors("second")) == 1


def test_a_model_without_memory_for_embeddings_says_so(models, monkeypatch):
    def fail() -> None:
        raise InferenceError("There is not enough memory.")

    monkeypatch.setattr(models["generator"], "make_embedding_model", fail)
    run = Run(models["generator"])
    run.embed("one", "owl")
    run.finish()

    end = run.events["one"][-1]
    assert isinstance(end, Failed)
    assert end.error.message == "There is not enough memory."


def test_what_belongs_around_a_text_is_added_and_nothing_in_it_is_special(models):
    cls, sep = models["encoder"].tokenize("[CLS]")[-1], models["encoder"].tokenize("[SEP]")[-1]

    assert models["encoder"].tokenize_input("owl").tolist() == [cls, 5, sep]
    assert len(models["encoder"].tokenize_input("[SEP]")) > 3
    assert len(models["generator"].tokenize_input("<|im_end|>")) == len("<|im_end|>")


def test_an_encoder_says_that_it_does_not_generate(models):
    assert not models["encoder"].generates
    assert models["encoder"].embedding_window == 256
    assert models["generator"].generates
