"""Anthropic's own Python client against the product, with models whose text is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.made_models import ALTERNATES
from tests.process.api_process import ApiProcess

pytestmark = pytest.mark.process

PLAIN = "The **answer** is here.\nIt has two lines."
SCRIPTS = {
    "plain": PLAIN,
    "thinks": "<think>\nTwo and two.\n</think>\n\nFour.",
    "calls": 'Let me see.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    "random": {"printable": True},
    "alternates": {"text": PLAIN, "chat_template": ALTERNATES},
}
WEATHER = {
    "name": "weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
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
def client(api, key) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=api.url, api_key=key, max_retries=0) as client:
        yield client


def create(client: anthropic.Anthropic, model: str, **options: Any) -> Any:
    given: dict[str, Any] = {"model": model, "messages": HELLO, "max_tokens": 200}
    return client.messages.create(**given | options)


def streamed(client: anthropic.Anthropic, model: str, **options: Any) -> Any:
    given: dict[str, Any] = {"model": model, "messages": HELLO, "max_tokens": 200}
    with client.messages.stream(**given | options) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("ask", [create, streamed])
def test_an_answer_is_exact(client, ask):
    message = ask(client, "plain")

    assert [block.text for block in message.content] == [PLAIN]
    assert (message.role, message.stop_reason, message.stop_sequence) == (
        "assistant",
        "end_turn",
        None,
    )
    assert message.usage.output_tokens > 5


@pytest.mark.parametrize("ask", [create, streamed])
def test_thinking_is_a_block_of_its_own(client, ask):
    thought, said = ask(client, "thinks").content

    assert (thought.type, thought.thinking) == ("thinking", "Two and two.")
    assert (said.type, said.text) == ("text", "Four.")


@pytest.mark.parametrize("ask", [create, streamed])
def test_a_tool_is_called(client, ask):
    message = ask(client, "calls", tools=[WEATHER])

    said, call = message.content
    assert said.text.strip() == "Let me see."
    assert (call.name, call.input) == ("weather", {"city": "Oslo"})
    assert call.id.startswith("toolu_")
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize("ask", [create, streamed])
@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "weather"}])
def test_a_tool_that_has_to_be_called_is_called_by_a_random_model(client, ask, choice):
    message = ask(client, "random", tools=[WEATHER], tool_choice=choice)

    (call,) = message.content
    assert call.input["city"] in ("Oslo", "Rome")
    assert message.stop_reason == "tool_use"


@pytest.mark.parametrize("ask", [create, streamed])
def test_a_stop_sequence_is_named(client, ask):
    message = ask(client, "plain", stop_sequences=["x", "is here"])

    assert message.content[0].text == "The **answer** "
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "is here")


@pytest.mark.parametrize("ask", [create, streamed])
def test_an_answer_that_reaches_its_limit_says_so(client, ask):
    assert ask(client, "random", max_tokens=4).stop_reason == "max_tokens"


def test_results_of_tools_are_read(client):
    messages = [
        *HELLO,
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain."},
                {"type": "text", "text": "And now?"},
            ],
        },
    ]
    message = create(
        client, "plain", messages=messages, tools=[WEATHER], system=[{"type": "text", "text": "Hi"}]
    )

    assert message.content[0].text == PLAIN


def test_turns_of_one_role_that_follow_each_other_are_one(client):
    """The template of "alternates" refuses two of them."""
    messages = [
        {"role": "user", "content": "One."},
        {"role": "user", "content": [{"type": "text", "text": "Two."}]},
        {"role": "assistant", "content": "Three."},
        {"role": "assistant", "content": "Four."},
        {"role": "user", "content": "Five."},
    ]

    assert create(client, "alternates", messages=messages).content[0].text == PLAIN


def test_what_is_counted_may_end_with_an_answer(client):
    messages = [*HELLO, {"role": "assistant", "content": "Well"}]

    assert client.messages.count_tokens(model="plain", messages=messages).input_tokens > 10


def test_the_number_that_claude_code_puts_before_each_request_costs_no_cache(client):
    def asked(number: int) -> Any:
        billing = f"x-anthropic-billing-header: cc_version=2; cch={number};"
        texts = [billing, "You know everything about owls. " * 20]
        return create(client, "plain", system=[{"type": "text", "text": one} for one in texts])

    asked(1)
    used = asked(2).usage

    assert used.cache_read_input_tokens > 500
    assert used.input_tokens < 50


def test_tokens_are_counted_as_they_are_read(client):
    counted = client.messages.count_tokens(model="plain", messages=HELLO, system="Be brief.")

    used = create(client, "plain", system="Be brief.").usage
    assert counted.input_tokens == used.input_tokens + used.cache_read_input_tokens


def test_the_models_are_listed(client):
    assert "plain" in {model.id for model in client.models.list()}
    assert client.models.retrieve("plain").display_name == "plain"


def test_errors_are_those_of_the_client(client, api):
    with pytest.raises(anthropic.NotFoundError) as missing:
        create(client, "nowhere")
    told: Any = missing.value.body
    assert told["type"] == "error"
    assert told["error"]["type"] == "not_found_error"
    assert missing.value.request_id

    with pytest.raises(anthropic.BadRequestError):
        create(client, "plain", max_tokens=-1)
    with pytest.raises(anthropic.BadRequestError, match="Only text"):
        image = {"type": "image", "source": {"type": "url", "url": "x"}}
        create(client, "plain", messages=[{"role": "user", "content": [image]}])
    with pytest.raises(anthropic.BadRequestError, match="cannot be begun"):
        create(client, "plain", messages=[*HELLO, {"role": "assistant", "content": "Well"}])
    with pytest.raises(anthropic.AuthenticationError):
        create(client.with_options(api_key="sk-wrong"), "plain")
    with pytest.raises(anthropic.PermissionDeniedError):
        create(client.with_options(api_key=api.key("embed")), "plain")


def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(client):
    with pytest.raises(anthropic.BadRequestError) as refused:
        create(client, "plain", messages=[{"role": "user", "content": "x" * 5000}])

    told: Any = refused.value.body
    error = told["error"]
    assert error["message"].startswith(
        f"prompt is too long: {error['prompt_tokens']} tokens > 2048"
    )
    assert (error["type"], error["context_window"]) == ("invalid_request_error", 2048)
    assert error["prompt_tokens"] > 5000


def test_max_tokens_has_to_be_said(api, key):
    status, _, body = api.post("/v1/messages", {"model": "plain", "messages": HELLO}, key)

    assert status == 400
    assert "max_tokens" in json.loads(body)["error"]["message"]
