"""What the chat page does differently while the built-in guide is the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chat.models import Message
from chat.suggestions import GUIDE_SUGGESTIONS, MODEL_SUGGESTIONS
from inference.types import ChatMessage
from models_app import catalog
from models_app.models import CatalogEntry
from tests.chat.conftest import start, until_settled
from tests.chat.scripted_client import DONE, deltas

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("with_guide")]


@pytest.fixture
def guide(entry: CatalogEntry) -> CatalogEntry:
    catalog.scan()
    return CatalogEntry.objects.filter(is_guide=True)[0]


@pytest.fixture
def only_guide(guide: CatalogEntry, settings: Any, tmp_path: Path) -> CatalogEntry:
    settings.MODEL_DIRS = [tmp_path]
    catalog.scan()
    return guide


async def ask(user, conversation, inference, question: str, answer: str) -> Message:
    turn = await start(user, conversation, question)
    await inference.say(turn.answer.pk, *deltas(answer), DONE)
    return await until_settled(turn.answer.pk)


def test_a_new_chat_with_it_says_what_it_is_and_suggests_what_it_knows(site, only_guide, inference):
    page = site.get("/").content.decode()

    assert "not an assistant" in page
    assert "3.3" in page
    assert "Get a real model" in page
    assert "What would you like to know about Minerva, ada?" in page
    for suggestion in GUIDE_SUGGESTIONS:
        assert suggestion.text in page


def test_a_member_is_told_who_adds_models(client, grace, only_guide, inference):
    client.force_login(grace)

    page = client.get("/").content.decode()

    assert "An administrator can add a real model" in page
    assert "Get a real model" not in page


def test_with_another_model_nothing_speaks_of_it(site, guide, entry, inference):
    page = site.get("/").content.decode()

    assert "not an assistant" not in page
    assert MODEL_SUGGESTIONS[0].text in page


@pytest.mark.parametrize("is_for_guide", [True, False])
def test_choosing_a_model_on_a_new_chat_changes_all_that_depends_on_it(
    site, guide, entry, inference, is_for_guide
):
    chosen = guide if is_for_guide else entry

    part = site.get(f"/chats/model/?model={chosen.pk}").content.decode()

    assert chosen.name in part
    assert ("not an assistant" in part) is is_for_guide
    assert (GUIDE_SUGGESTIONS[0].text in part) is is_for_guide
    for region in ("greeting", "guide-note", "suggestions"):
        assert f'id="{region}"' in part


def test_choosing_it_in_a_chat_shows_what_it_is(site, guide, conversation, inference):
    address = f"/c/{conversation.pk}/"
    assert "not an assistant" not in site.get(address).content.decode()

    part = site.post(f"{address}model/", {"model": guide.pk}).content.decode()

    assert "not an assistant" in part
    assert "not an assistant" in site.get(address).content.decode()


async def test_it_reads_only_the_last_two_turns_and_decodes_greedily(
    ada, conversation, guide, inference
):
    conversation.model = guide
    await conversation.asave()
    await ask(ada, conversation, inference, "One?", "First.")
    await ask(ada, conversation, inference, "Two?", "Second.")

    await start(ada, conversation, "Three?")

    request = inference.requests[-1]
    assert request.messages == (
        ChatMessage(role="user", content="Two?"),
        ChatMessage(role="assistant", content="Second."),
        ChatMessage(role="user", content="Three?"),
    )
    assert request.sampling.temperature == 0.0


async def test_it_reads_nothing_that_another_model_said(ada, conversation, guide, inference):
    await ask(ada, conversation, inference, "One?", "By another model.")
    conversation.model = guide
    await conversation.asave()

    await start(ada, conversation, "Two?")

    assert inference.requests[-1].messages == (ChatMessage(role="user", content="Two?"),)


async def test_a_prompt_that_got_no_answer_is_not_joined_to_the_next(
    ada, conversation, guide, inference
):
    conversation.model = guide
    await conversation.asave()
    await ask(ada, conversation, inference, "One?", "")

    await start(ada, conversation, "Two?")

    assert inference.requests[-1].messages == (ChatMessage(role="user", content="Two?"),)


async def test_another_model_reads_the_whole_history(ada, conversation, guide, inference):
    for question in ("One?", "Two?", "Three?"):
        await ask(ada, conversation, inference, question, "Yes.")

    await start(ada, conversation, "Four?")

    assert len(inference.requests[-1].messages) == 7
    assert inference.requests[-1].sampling.temperature > 0
