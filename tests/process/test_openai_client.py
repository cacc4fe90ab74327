"""OpenAI's own Python client against the product, with models whose text is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.process.api_process import ApiProcess

pytestmark = pytest.mark.process

PLAIN = "The **answer** is here.\nIt has two lines."
THINKS = "<think>\nTwo and two.\n</think>\n\nFour."
CALLS = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
TWICE = (
    '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>\n'
    '<tool_call>\n{"name": "clock", "arguments": {"zone": 1}}\n</tool_call>'
)
SCRIPTS = {
    "plain": PLAIN,
    "thinks": THINKS,
    "calls": CALLS,
    "twice": TWICE,
    "endless": {"text": "On and on it goes. ", "loop": True, "layers": 4, "width": 256},
    "random": {"printable": True},
    "embeds": "embeds",
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Oslo", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {
        "name": "clock",
        "parameters": {"type": "object", "properties": {"zone": {"type": "integer"}}},
    },
}
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path_factory.mktemp("api"), SCRIPTS) as api:
        yield api


@pytest.fixture(scope="module")
def key(api: ApiProcess) -> str:
    return api.key()


@pytest.fixture(scope="module")
def client(api, key) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.url}/v1", api_key=key, max_retries=0) as client:
        yield client


def chat(client: openai.OpenAI, model: str, **options: Any) -> Any:
    given: dict[str, Any] = {"model": model, "messages": HELLO}
    return client.chat.completions.create(**given | options)


def test_the_models_are_listed_and_one_is_shown(client):
    assert {model.id for model in client.models.list()} == {*SCRIPTS, "Minerva guide"}
    assert client.models.retrieve("plain").owned_by == "minerva"


def test_a_whole_answer_is_exact(client):
    answer = chat(client, "plain")

    assert answer.choices[0].message.content == PLAIN
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "plain"
    assert answer.usage.completion_tokens > 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.timings["predicted_n"] == answer.usage.completion_tokens


def test_a_stream_has_the_role_first_the_reason_last_and_usage_when_asked(client):
    chunks = list(chat(client, "plain", stream=True, stream_options={"include_usage": True}))

    *with_choice, last = chunks
    deltas = [chunk.choices[0].delta for chunk in with_choice]
    assert deltas[0].role == "assistant"
    assert [delta.role for delta in deltas[1:]] == [None] * (len(deltas) - 1)
    assert "".join(delta.content or "" for delta in deltas) == PLAIN
    reasons = [chunk.choices[0].finish_reason for chunk in with_choice]
    assert reasons == [None] * (len(reasons) - 1) + ["stop"]
    assert last.choices == []
    assert last.usage == chat(client, "plain").usage.model_copy(
        update={"prompt_tokens_details": last.usage.prompt_tokens_details}
    )


def test_usage_is_not_in_a_stream_that_did_not_ask(client):
    assert all(chunk.usage is None for chunk in chat(client, "plain", stream=True))


def test_reasoning_is_apart_from_the_answer(client):
    message = chat(client, "thinks").choices[0].message
    assert (message.reasoning_content, message.content) == ("Two and two.", "Four.")

    deltas = [chunk.choices[0].delta for chunk in chat(client, "thinks", stream=True)]
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    said = "".join(delta.content or "" for delta in deltas)
    assert (thought, said) == ("Two and two.", "Four.")


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_an_answer_that_reaches_its_limit_says_so(client, limit):
    answer = chat(client, "endless", **{limit: 5})

    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_sequence_ends_the_answer_before_it(client, stream):
    answer = chat(client, "plain", stop=["is here"], stream=stream)

    chunks = list(answer) if stream else []
    text = (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        if stream
        else answer.choices[0].message.content
    )
    assert text == "The **answer** "


def test_a_tool_is_called_whole(client):
    choice = chat(client, "calls", tools=[WEATHER]).choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    call = choice.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "weather",
        {"city": "Oslo"},
    )
    assert call.id.startswith("call_")


def streamed_calls(chunks) -> tuple[list[tuple[str, str]], str]:
    calls: dict[int, list[str]] = {}
    for chunk in chunks:
        choice = chunk.choices[0]
        for call in choice.delta.tool_calls or ():
            if call.id:
                calls[call.index] = [call.function.name, ""]
            calls[call.index][1] += call.function.arguments
    return [(name, arguments) for name, arguments in calls.values()], choice.finish_reason


def test_tools_are_called_in_a_stream(client):
    calls, reason = streamed_calls(chat(client, "twice", tools=[WEATHER, CLOCK], stream=True))

    assert calls == [("weather", '{"city": "Oslo"}'), ("clock", '{"zone": 1}')]
    assert reason == "tool_calls"


def test_only_one_tool_is_called_where_no_more_are_wanted(client):
    message = chat(client, "twice", tools=[WEATHER, CLOCK], parallel_tool_calls=False)

    assert [call.function.name for call in message.choices[0].message.tool_calls] == ["weather"]


def test_no_tool_is_called_where_none_is_wanted(client):
    message = chat(client, "calls", tools=[WEATHER], tool_choice="none").choices[0].message

    assert message.tool_calls is None
    assert message.content == CALLS


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "weather"}}]
)
@pytest.mark.parametrize("tools", [[WEATHER], [CLOCK, WEATHER]])
def test_a_tool_that_has_to_be_called_is_called_by_a_random_model(client, choice, tools, stream):
    answer = chat(
        client, "random", tools=tools, tool_choice=choice, stream=stream, seed=3, max_tokens=400
    )

    if stream:
        calls, reason = streamed_calls(answer)
    else:
        found = answer.choices[0].message.tool_calls
        calls = [(call.function.name, call.function.arguments) for call in found]
        reason = answer.choices[0].finish_reason
    ((name, arguments),) = calls
    assert reason == "tool_calls"
    assert name in [tool["function"]["name"] for tool in tools]
    if name == "weather":
        assert json.loads(arguments)["city"] in ("Oslo", "Rome")
    else:
        assert choice == "required"
        assert set(json.loads(arguments)) <= {"zone"}


def test_an_answer_fits_its_json_schema(client):
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Rome"]}, "warm": {"type": "boolean"}},
        "required": ["city", "warm"],
        "additionalProperties": False,
    }
    answer = chat(
        client,
        "random",
        seed=1,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )

    value = json.loads(answer.choices[0].message.content)
    assert value["city"] in ("Oslo", "Rome")
    assert isinstance(value["warm"], bool)


def test_several_answers_to_one_prompt(client):
    answer = chat(client, "random", n=3, seed=5, max_tokens=8, temperature=4)
    texts = [choice.message.content for choice in answer.choices]
    assert len(set(texts)) == 3
    assert answer.usage.completion_tokens == 24

    streamed = ["", "", ""]
    reasons = {}
    for chunk in chat(client, "random", n=3, seed=5, max_tokens=8, temperature=4, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason
    assert streamed == texts
    assert reasons == {0: "length", 1: "length", 2: "length"}


def test_the_same_seed_gives_the_same_answer(client):
    answers = {
        chat(client, "random", seed=7, max_tokens=20).choices[0].message.content for _ in "ab"
    }

    assert len(answers) == 1


def test_a_bias_and_penalties_are_held_to(client):
    answer = chat(
        client, "random", max_tokens=5, logit_bias={"65": 100}, presence_penalty=-1, temperature=0
    )

    assert answer.choices[0].message.content == "AAAAA"


def test_logprobs_are_told_whole_and_streamed(client):
    options = {"logprobs": True, "top_logprobs": 2, "max_tokens": 4, "seed": 1}
    tokens = chat(client, "random", **options).choices[0].logprobs.content
    assert len(tokens) == 4
    assert all(len(token.top_logprobs) == 2 for token in tokens)
    assert "".join(token.token for token in tokens) != ""

    streamed = [
        token
        for chunk in chat(client, "random", stream=True, **options)
        if chunk.choices and chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content
    ]
    assert [one.token for one in streamed] == [one.token for one in tokens]


@pytest.mark.parametrize("arguments", ['{ "city": "Os', "", "[]", None])
def test_a_call_that_was_cut_off_comes_back_with_its_conversation(client, arguments):
    called = {"name": "weather", "arguments": arguments}
    messages = [
        *HELLO,
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": called}]},
        {"role": "tool", "tool_call_id": "c", "content": "Rain."},
    ]

    answer = chat(client, "plain", messages=messages, tools=[WEATHER])

    assert answer.choices[0].message.content == PLAIN


def test_a_name_of_a_tool_may_be_as_long_as_those_of_other_servers(client):
    function: Any = WEATHER["function"]
    long = {"type": "function", "function": {**function, "name": "mcp__" + "w" * 123}}

    assert chat(client, "plain", tools=[long]).choices[0].message.content == PLAIN


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_tools_and_a_form_of_the_answer_are_refused_together(client, choice):
    options: dict[str, Any] = {"tools": [WEATHER], "tool_choice": choice}
    with pytest.raises(openai.BadRequestError, match="cannot be had together") as refused:
        chat(client, "plain", response_format={"type": "json_object"}, **options)

    assert refused.value.code == "unsupported_parameter"


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_has_to_come_is_not_stopped_by_a_text_in_it(client, stream):
    options: dict[str, Any] = {"tools": [WEATHER], "tool_choice": "required", "stop": ['"']}
    answer = chat(client, "random", stream=stream, seed=3, max_tokens=400, **options)
    calls: Any = streamed_calls(answer)[0] if stream else answer.choices[0].message.tool_calls

    (call,) = calls
    arguments = call[1] if stream else call.function.arguments
    assert json.loads(arguments)["city"] in ("Oslo", "Rome")


def test_a_seed_of_minus_one_is_any(client):
    assert chat(client, "plain", seed=-1).choices[0].message.content == PLAIN


def test_errors_are_those_of_the_client(client, api):
    with pytest.raises(openai.NotFoundError) as missing:
        chat(client, "nowhere")
    assert missing.value.code == "model_not_found"

    with pytest.raises(openai.BadRequestError) as invalid:
        chat(client, "plain", temperature=9)
    assert invalid.value.param == "temperature"

    with pytest.raises(openai.BadRequestError, match="Answers are text only"):
        chat(client, "plain", modalities=["audio"])

    with pytest.raises(openai.AuthenticationError):
        chat(client.with_options(api_key="sk-wrong"), "plain")

    with pytest.raises(openai.PermissionDeniedError):
        chat(client.with_options(api_key=api.key("embed")), "plain")


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(client, stream):
    long = [{"role": "user", "content": "x" * 5000}]

    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="plain", messages=long, stream=stream)

    assert refused.value.code == "context_length_exceeded"
    assert "maximum context length is 2048 tokens" in str(refused.value)  # what clients look for
    told: Any = refused.value.body
    assert told["context_window"] == 2048
    assert told["prompt_tokens"] > 5000
