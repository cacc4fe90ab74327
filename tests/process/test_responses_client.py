"""OpenAI's Responses API by its own Python client, with models whose text is known."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
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
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path_factory.mktemp("api"), SCRIPTS) as api:
        yield api


@pytest.fixture(scope="module")
def client(api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{api.url}/v1", api_key=api.key(), max_retries=0) as client:
        yield client


def create(client: openai.OpenAI, model: str, **options):
    return client.responses.create(**{"model": model, "input": "Hello"} | options)


def streamed(client: openai.OpenAI, model: str, **options):
    """The last event's response, which the others have to agree with."""
    events = list(create(client, model, stream=True, **options))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    response = events[-1].response
    texts = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert texts == response.output_text
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert done == response.output
    return response


@pytest.mark.parametrize("ask", [create, streamed])
def test_an_answer_is_exact(client, ask):
    response = ask(client, "plain", instructions="Be brief.")

    assert response.output_text == PLAIN
    assert response.status == "completed"
    assert response.usage.output_tokens > 5


@pytest.mark.parametrize("ask", [create, streamed])
def test_thinking_is_an_item_of_its_own(client, ask):
    thought, said = ask(client, "thinks").output

    assert (thought.type, thought.content[0].text) == ("reasoning", "Two and two.")
    assert said.content[0].text == "Four."


@pytest.mark.parametrize("ask", [create, streamed])
def test_a_tool_is_called_and_its_result_read(client, ask):
    response = ask(client, "calls", tools=[WEATHER])
    _, call = response.output
    assert (call.type, call.name) == ("function_call", "weather")
    assert json.loads(call.arguments) == {"city": "Oslo"}

    given = [
        {"role": "user", "content": "Hello"},
        *[item.model_dump(exclude_none=True) for item in response.output],
        {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."},
    ]
    assert ask(client, "plain", input=given, tools=[WEATHER]).output_text == PLAIN


@pytest.mark.parametrize("ask", [create, streamed])
def test_a_tool_that_has_to_be_called_is_called_by_a_random_model(client, ask):
    (call,) = ask(client, "random", tools=[WEATHER], tool_choice="required").output

    assert json.loads(call.arguments)["city"] in ("Oslo", "Rome")


def test_an_answer_fits_its_json_schema(client):
    form = {"type": "json_schema", "name": "x", "schema": WEATHER["parameters"]}
    response = create(client, "random", text={"format": form})

    assert json.loads(response.output_text)["city"] in ("Oslo", "Rome")


@pytest.mark.parametrize("ask", [create, streamed])
def test_turns_of_one_role_that_follow_each_other_are_one(client, ask):
    said = [{"role": role, "content": "x"} for role in ("user", "user", "assistant", "assistant")]

    response = ask(client, "alternates", input=[*said, {"role": "user", "content": "y"}])

    assert response.output_text == PLAIN


@pytest.mark.parametrize("ask", [create, streamed])
@pytest.mark.parametrize("tools", [{}, {"tools": [WEATHER], "tool_choice": "required"}])
def test_an_answer_that_reaches_its_limit_is_incomplete(client, ask, tools):
    response = ask(client, "random", max_output_tokens=4, **tools)

    assert response.status == response.output[-1].status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    "wrong",
    [
        {"previous_response_id": "resp_1"},
        {"background": True},
        {"tools": [{"type": "web_search"}]},
        {"input": [{"type": "image_generation_call"}]},
        {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
        {"input": []},
    ],
)
def test_what_is_not_there_is_refused_in_words(client, wrong):
    with pytest.raises(openai.BadRequestError):
        create(client, "plain", **wrong)
