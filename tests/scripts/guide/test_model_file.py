"""The model that ships: it is what its manifest says, and as good as it says."""

from __future__ import annotations

import hashlib
import json
from random import Random

import jinja2
import numpy as np
import pytest
from guide.conversations import Conversation, Turn
from guide.evaluation import evaluate
from guide.gguf_file import read_gguf, write_gguf
from guide.huggingface import write_huggingface
from guide.manifest import NAME, data_hash
from guide.tokenizer import CHAT_TEMPLATE
from safetensors.numpy import load_file
from tokenizers import Tokenizer

MAX_BYTES = 4_000_000
BEFORE = Turn("What is GGUF?  ", "GGUF is a file format.")


@pytest.fixture(scope="module")
def manifest(guide_file):
    return json.loads((guide_file.parent / NAME).read_text())


def test_the_manifest_is_about_this_file(guide_file, manifest):
    content = guide_file.read_bytes()

    assert len(content) == manifest["size"] <= MAX_BYTES
    assert hashlib.sha256(content).hexdigest() == manifest["sha256"]


def test_the_model_was_trained_on_the_data_that_is_there(manifest):
    """Fails after a change of the data: `make guide` trains again."""
    assert manifest["data_sha256"] == data_hash()


@pytest.mark.timeout(300)
def test_it_is_as_good_as_its_manifest_says(guide_file, knowledge, manifest):
    report = evaluate(guide_file, knowledge)

    assert report.is_good_enough
    for name, (score, _) in report.named().items():
        stated = manifest["figures"][name]
        assert score.total == stated["total"]
        assert abs(score.right - stated["right"]) <= max(1, score.total / 100)


def test_read_and_written_again_it_is_the_same_file(guide_file, tmp_path):
    write_gguf(tmp_path / "again.gguf", read_gguf(guide_file))

    assert (tmp_path / "again.gguf").read_bytes() == guide_file.read_bytes()


@pytest.mark.parametrize("before", [None, BEFORE])
def test_the_chat_template_gives_the_prompt_that_was_trained(codec, before):
    conversation = Conversation(Turn("\nIs My GPU Used?\t", ""), before)
    messages = [{"role": "user", "content": conversation.last.question}]
    if before:
        messages.insert(0, {"role": "user", "content": before.question})
        messages.insert(1, {"role": "assistant", "content": before.answer})

    template = jinja2.Environment(autoescape=False).from_string(CHAT_TEMPLATE)
    rendered = template.render(messages=messages, add_generation_prompt=True)

    assert codec.tokenizer.encode(rendered).ids == codec.prompt(conversation)


def test_dropout_cuts_words_into_smaller_pieces_of_the_same_text(codec):
    conversation = Conversation(Turn("which quantisation should i choose", ""))

    whole = codec.prompt(conversation)
    pieces = codec.prompt_with_dropout(conversation, dropout=0.5, random=Random(1))

    assert len(pieces) > len(whole)
    assert codec.decode(pieces) == codec.decode(whole)


def test_its_hugging_face_form_has_the_same_weights_and_tokens(
    guide_file, model, knowledge, tmp_path
):
    write_huggingface(guide_file, tmp_path / "guide")

    weights = load_file(tmp_path / "guide" / "model.safetensors")
    assert {name.removeprefix("model.") for name in weights} == model.weights.keys()
    for name, tensor in model.weights.items():
        assert np.array_equal(weights[f"model.{name}"], tensor)
    tokenizer = Tokenizer.from_file(str(tmp_path / "guide" / "tokenizer.json"))
    for answer in knowledge.answers:
        assert tokenizer.encode(answer).ids == model.tokenizer.encode(answer).ids
    config = json.loads((tmp_path / "guide" / "tokenizer_config.json").read_text())
    assert config["chat_template"] == CHAT_TEMPLATE
