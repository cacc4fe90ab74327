"""The built-in guide in a real runner: a trained model, so its greedy text leaves no doubt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from guide import topics
from guide.topics import Knowledge

from inference.types import ChatMessage, Finished, SamplingParams
from tests.conftest import GUIDE_FILE
from tests.process.runner_process import RunnerProcess, running

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]
GREEDY = SamplingParams(temperature=0.0, max_tokens=256)


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return topics.load()


@pytest.fixture
def runner() -> Iterator[RunnerProcess]:
    with running(GUIDE_FILE) as runner:
        yield runner


def cached_tokens(runner: RunnerProcess, name: str) -> int:
    ended = runner.of(name)[-1]
    assert isinstance(ended, Finished)
    return ended.usage.cached_tokens


def test_a_second_turn_found_in_the_cache_says_what_it_says_computed_anew(runner, knowledge):
    gguf = knowledge.by_name["what-is-gguf"]
    first = (ChatMessage("user", "What is GGUF?"),)
    second = (*first, ChatMessage("assistant", gguf.answer), ChatMessage("user", "tell me more"))

    for name, messages, user in (
        ("first", first, "ada"),
        ("warm", second, "ada"),
        ("cold", second, "grace"),
    ):
        runner.start_chat(name, messages, GREEDY, user=user)
        runner.read_to_end(name)

    assert runner.text("first") == gguf.answer
    assert runner.text("warm") == runner.text("cold") == gguf.more
    assert (cached_tokens(runner, "first"), cached_tokens(runner, "cold")) == (0, 0)
    assert cached_tokens(runner, "warm") > 40


def test_chats_that_begin_alike_share_it_and_keep_their_own_answers(runner, knowledge):
    gguf, more = knowledge.by_name["what-is-gguf"], "tell me more"
    history = (ChatMessage("user", "What is GGUF?"), ChatMessage("assistant", gguf.answer))
    questions = {more: gguf.more, "what are tokens": knowledge.by_name["what-is-a-token"].answer}

    for question in (*questions, *questions):
        runner.start_chat(question, (*history, ChatMessage("user", question)), GREEDY)
        runner.read_to_end(question)
        assert runner.text(question) == questions[question]
        runner.events.pop(question)
