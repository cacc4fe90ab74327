"""Completions of raw texts, embeddings and tokens, by OpenAI's own client and by plain requests."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import openai
import pytest

from tests.process.api_process import ApiProcess

pytestmark = pytest.mark.process

PLAIN = "The answer is here, and it goes on."


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    scripts = {"plain": PLAIN, "random": {"printable": True}, "embeds": "embeds"}
    with ApiProcess(tmp_path_factory.mktemp("api"), scripts) as api:
        yield api


@pytest.fixture(scope="module")
def key(api: ApiProcess) -> str:
    return api.key()


@pytest.fixture(scope="module")
def client(api, key) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.url}/v1", api_key=key, max_retries=0) as client:
        yield client


def test_a_text_is_gone_on_from_without_a_chat_template(client):
    answer = client.completions.create(model="plain", prompt="Once", max_tokens=100)

    assert answer.choices[0].text == PLAIN
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == 4

    chunks = list(
        client.completions.create(model="plain", prompt="Once", max_tokens=100, stream=True)
    )
    assert "".join(chunk.choices[0].text for chunk in chunks) == PLAIN
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_completion_has_sixteen_tokens_unless_more_are_wanted(client):
    answer = client.completions.create(model="random", prompt="Once")

    assert answer.usage.completion_tokens == 16
    assert answer.choices[0].finish_reason == "length"


def test_several_prompts_tokens_and_answers(client):
    answer = client.completions.create(
        model="random", prompt=["One", "Two"], n=2, max_tokens=3, seed=1
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert answer.usage.prompt_tokens == 6

    by_text = client.completions.create(model="random", prompt="AB", max_tokens=5, seed=1)
    by_tokens = client.completions.create(model="random", prompt=[65, 66], max_tokens=5, seed=1)
    assert by_tokens.choices[0].text == by_text.choices[0].text


def test_a_stream_of_several_prompts_counts_them_all(client):
    asked: Any = {"model": "random", "prompt": ["One", "Two three"], "n": 2, "max_tokens": 3}
    whole = client.completions.create(**asked).usage
    chunks = client.completions.create(**asked, stream=True, stream_options={"include_usage": True})

    used = [chunk.usage for chunk in chunks if chunk.usage][-1]

    assert used.prompt_tokens == whole.prompt_tokens == 12
    assert used.completion_tokens == whole.completion_tokens


def test_the_prompt_is_repeated_where_asked(client):
    answer = client.completions.create(model="plain", prompt="Once. ", echo=True, max_tokens=99)

    assert answer.choices[0].text == f"Once. {PLAIN}"


def test_logprobs_of_a_completion(client):
    answer = client.completions.create(
        model="random", prompt="Once", logprobs=3, max_tokens=4, temperature=0
    )

    found = answer.choices[0].logprobs
    assert len(found.tokens) == len(found.token_logprobs) == len(found.text_offset) == 4
    assert [len(top) for top in found.top_logprobs] == [3] * 4
    assert all(logprob <= 0 for logprob in found.token_logprobs)


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": ""},
        {"prompt": []},
        {"prompt": [[]]},
        {"prompt": [1_000_000]},
        {"prompt": [-1]},
        {"prompt": [1.5]},
        {"prompt": [{}]},
        {"suffix": "x"},
        {"best_of": 3},
        {"prompt": ["a"] * 9},
        {"n": 9},
        {"n": 0},
        {"logprobs": 21},
        {"max_tokens": 0},
        {"max_tokens": -1},
    ],
)
def test_what_cannot_be_done_is_refused_in_words(api, key, wrong):
    status, _, body = api.post("/v1/completions", {"model": "plain", "prompt": "x", **wrong}, key)

    assert status == 400, body
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


def test_embeddings_are_of_length_one_and_alike_in_both_encodings(client):
    texts = ["one text", "another one", "one text"]
    answer = client.embeddings.create(model="embeds", input=texts)
    vectors = [np.array(one.embedding) for one in answer.data]

    assert [one.index for one in answer.data] == [0, 1, 2]
    assert all(math.isclose(np.linalg.norm(vector), 1, rel_tol=1e-3) for vector in vectors)
    assert np.allclose(vectors[0], vectors[2], atol=1e-2)
    assert answer.usage.prompt_tokens > 3

    floats = client.embeddings.create(model="embeds", input=texts, encoding_format="float")
    assert np.allclose(floats.data[1].embedding, vectors[1], atol=1e-6)


def test_base64_holds_little_endian_floats(api, key):
    asked = {"model": "embeds", "input": "x", "encoding_format": "base64"}
    _, _, body = api.post("/v1/embeddings", asked, key)

    vector = np.frombuffer(base64.b64decode(json.loads(body)["data"][0]["embedding"]), "<f4")
    assert math.isclose(np.linalg.norm(vector), 1, rel_tol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [{"input": []}, {"input": [1, 2]}, {"input": [""]}, {"input": ["x"] * 2049}, {"dimensions": 3}],
)
def test_embeddings_that_cannot_be_made_are_refused_in_words(api, key, wrong):
    status, _, body = api.post("/v1/embeddings", {"model": "embeds", "input": "x", **wrong}, key)

    assert status == 400, body


def test_a_model_for_embeddings_does_not_chat(client):
    with pytest.raises(openai.BadRequestError, match="embeddings only"):
        client.chat.completions.create(model="embeds", messages=[{"role": "user", "content": "x"}])


def test_a_text_becomes_tokens_and_they_the_text_again(api, key):
    text = "Grüße, “World”!"
    _, _, body = api.post("/tokenize", {"model": "random", "content": text}, key)
    tokens = json.loads(body)["tokens"]
    assert tokens == list(text.encode())

    _, _, body = api.post("/detokenize", {"model": "random", "tokens": tokens}, key)
    assert json.loads(body)["content"] == text


def test_pieces_of_tokens_are_text_or_bytes(api, key):
    asked = {"model": "random", "content": "aü", "with_pieces": True}
    _, _, body = api.post("/tokenize", asked, key)

    pieces = [one["piece"] for one in json.loads(body)["tokens"]]
    assert pieces == ["a", [0xC3], [0xBC]]


def test_a_conversation_is_counted_as_it_would_be_read(api, key, client):
    messages = [{"role": "user", "content": "Hello"}]
    _, _, body = api.post("/tokenize", {"model": "plain", "messages": messages}, key)

    answer = client.chat.completions.create(model="plain", messages=messages)
    assert json.loads(body)["count"] == answer.usage.prompt_tokens


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/tokenize", {}),
        ("/tokenize", {"content": "x" * (256 * 1024 + 1)}),
        ("/detokenize", {"tokens": [10**9]}),
        ("/detokenize", {"tokens": [-1]}),
        ("/detokenize", {"tokens": ["x"]}),
    ],
)
def test_tokens_that_are_none_are_refused(api, key, path, wrong):
    assert api.post(path, {"model": "random", **wrong}, key)[0] == 400


def test_the_longest_text_is_split_into_tokens(api, key):
    status, _, body = api.post("/tokenize", {"model": "random", "content": "x" * 256 * 1024}, key)

    assert status == 200
    assert json.loads(body)["count"] == 256 * 1024
