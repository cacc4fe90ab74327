"""The forms of the chat as the browser sends them."""

from __future__ import annotations

from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async

from chat.models import Conversation, Message, MessageState
from chat.turns import MAX_PROMPT_CHARACTERS
from models_app.models import CatalogEntry
from tests.chat.conftest import start, stored, until_settled, until_state
from tests.chat.scripted_client import crashed, deltas

pytestmark = pytest.mark.django_db(transaction=True)


def form(text: str = "Hello", **fields: str) -> dict[str, str]:
    return {"text": text, "client_id": str(uuid4()), **fields}


async def test_the_first_message_makes_a_chat_and_brings_its_page(asite, entry, inference):
    response = await asite.post("/c/new/", form("What is a heap?", model=str(entry.pk)))

    made = await Conversation.objects.aget()
    assert response.status_code == 200
    assert response["HX-Push-Url"] == f"/c/{made.pk}/"
    assert "chats-changed" in response["HX-Trigger"]
    assert (made.title, made.model_id) == ("What is a heap?", entry.pk)
    page = response.content.decode()
    assert f'ws-connect="/ws/c/{made.pk}/"' in page
    assert "What is a heap?" in page
    assert 'aria-label="Stop"' in page


async def test_a_further_message_is_taken_without_content(asite, conversation, inference):
    response = await asite.post(f"/c/{conversation.pk}/send/", form("More"))

    assert response.status_code == 204
    assert await Message.objects.filter(text="More").aexists()


async def test_the_same_client_id_is_taken_twice_and_stored_once(asite, conversation, inference):
    fields = form("Once")

    for _ in range(2):
        response = await asite.post(f"/c/{conversation.pk}/send/", fields)
        assert response.status_code == 204

    assert await Message.objects.filter(role="user").acount() == 1


@pytest.mark.parametrize("length", [MAX_PROMPT_CHARACTERS - 1, MAX_PROMPT_CHARACTERS])
async def test_a_message_up_to_the_limit_is_taken(asite, conversation, inference, length):
    response = await asite.post(f"/c/{conversation.pk}/send/", form("ä" * length))

    assert response.status_code == 204
    assert len((await Message.objects.aget(role="user")).text) == length


@pytest.mark.parametrize("length", [MAX_PROMPT_CHARACTERS + 1, 400_000])
async def test_a_message_above_the_limit_is_refused_and_nothing_is_stored(
    asite, conversation, inference, length
):
    response = await asite.post(f"/c/{conversation.pk}/send/", form("x" * length))

    assert response.status_code == 422
    assert f"{length:,} characters" in response.content.decode()
    assert not await Message.objects.aexists()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text": "Hello"},
        {"text": "   ", "client_id": str(uuid4())},
        {"text": "Hello", "client_id": "1"},
    ],
)
@pytest.mark.parametrize("path", ["/c/new/", "/c/{}/send/"])
async def test_a_broken_form_is_refused_with_a_sentence(
    asite, conversation, inference, path, fields
):
    response = await asite.post(path.format(conversation.pk), fields)

    assert response.status_code == 422
    assert response["HX-Reswap"] == "none"
    assert 'id="composer-notice"' in response.content.decode()
    assert not await Message.objects.aexists()


async def test_a_second_message_is_refused_while_an_answer_is_written(
    asite, ada, conversation, inference
):
    await start(ada, conversation)

    response = await asite.post(f"/c/{conversation.pk}/send/", form())

    assert response.status_code == 422
    assert "still being written" in response.content.decode()


async def test_without_a_model_the_message_is_refused(asite, entry, conversation, inference):
    await CatalogEntry.objects.aupdate(problem="broken")

    response = await asite.post(f"/c/{conversation.pk}/send/", form())

    assert response.status_code == 422
    assert "There is no model yet" in response.content.decode()


@pytest.mark.parametrize("model", ["", "nonsense", str(uuid4())])
async def test_an_unknown_model_is_the_default_one(asite, entry, inference, model):
    await asite.post("/c/new/", form(model=model))

    assert inference.requests[0].model.model_id == str(entry.pk)


async def test_stop_as_the_button_sends_it_ends_the_answer(asite, ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas("Enough "))
    await until_state(turn.answer.pk, MessageState.STREAMING)

    response = await asite.post(
        f"/c/{conversation.pk}/stop/", content_type="application/x-www-form-urlencoded"
    )

    assert response.status_code == 204
    assert (await until_settled(turn.answer.pk)).state == MessageState.STOPPED


async def test_stop_where_nothing_is_written_is_not_found(asite, conversation):
    response = await asite.post(f"/c/{conversation.pk}/stop/")

    assert response.status_code == 404


async def test_retry_begins_a_new_answer(asite, ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, crashed())
    await until_settled(turn.answer.pk)

    response = await asite.post(f"/c/{conversation.pk}/m/{turn.answer.pk}/retry/")

    assert response.status_code == 204
    assert len(inference.requests) == 2
    assert (await Conversation.objects.aget()).leaf_id != turn.answer.pk


async def test_an_answer_that_came_to_its_end_is_not_tried_again(asite, conversation, said):
    await sync_to_async(said)("user", "Why?")
    answer = await sync_to_async(said)("assistant", "Because.")

    response = await asite.post(f"/c/{conversation.pk}/m/{answer.pk}/retry/")

    assert response.status_code == 404


async def test_the_text_of_a_refused_prompt_can_be_fetched(asite, conversation):
    await Conversation.objects.aupdate(draft="<b>Long</b>\ntext")

    response = await asite.get(f"/c/{conversation.pk}/draft/")

    assert response.content.decode() == "<b>Long</b>\ntext"
    assert response["Content-Type"].startswith("text/plain")


async def test_copy_gets_the_markdown_of_a_message(asite, conversation, said):
    answer = await sync_to_async(said)("assistant", "Some **bold** <i>text</i>")

    response = await asite.get(f"/c/{conversation.pk}/m/{answer.pk}/source/")

    assert response.content.decode() == "Some **bold** <i>text</i>"
    assert response["Content-Type"].startswith("text/plain")


async def test_a_model_chosen_for_a_chat_is_kept_for_it(asite, conversation, entry, inference):
    await Conversation.objects.aupdate(model=None)

    response = await asite.post(f"/c/{conversation.pk}/model/", {"model": str(entry.pk)})

    assert response.status_code == 200
    assert (await Conversation.objects.aget()).model_id == entry.pk
    assert 'aria-checked="true"' in response.content.decode()


async def test_the_answer_records_the_model_that_gave_it(asite, conversation, entry, inference):
    await asite.post(f"/c/{conversation.pk}/send/", form())

    answer = await Message.objects.aget(role="assistant")
    assert answer.model_name == entry.name
    assert (await stored(answer.pk)).is_running


FOREIGN = [
    ("get", "/c/{c}/"),
    ("get", "/c/{c}/draft/"),
    ("get", "/c/{c}/rename/"),
    ("get", "/c/{c}/m/{m}/source/"),
    ("post", "/c/{c}/send/"),
    ("post", "/c/{c}/stop/"),
    ("post", "/c/{c}/model/"),
    ("post", "/c/{c}/rename/"),
    ("post", "/c/{c}/delete/"),
    ("post", "/c/{c}/undelete/"),
    ("post", "/c/{c}/m/{m}/retry/"),
]


@pytest.mark.parametrize(("method", "path"), FOREIGN)
async def test_a_foreign_chat_is_not_found(stranger, ada, conversation, inference, method, path):
    turn = await start(ada, conversation)
    path = path.format(c=conversation.pk, m=turn.answer.pk)

    response = await getattr(stranger, method)(path, form(title="Mine now"))

    assert response.status_code == 404
    unchanged = await Conversation.objects.aget()
    assert (unchanged.title, unchanged.deleted_at) == ("Trees", None)
    assert await Message.objects.acount() == 2


@pytest.mark.parametrize(("method", "path"), FOREIGN)
async def test_a_chat_that_does_not_exist_is_not_found(asite, method, path):
    path = path.format(c=uuid4(), m=uuid4())

    response = await getattr(asite, method)(path, form(title="x"))

    assert response.status_code == 404


@pytest.mark.parametrize(("method", "path"), [f for f in FOREIGN if f[0] == "post"])
async def test_nothing_is_changed_by_a_get(asite, conversation, method, path):
    if "rename" in path:
        return
    response = await asite.get(path.format(c=conversation.pk, m=uuid4()))

    assert response.status_code == 405


async def test_a_message_of_another_chat_is_not_found_here(asite, ada, conversation, inference):
    turn = await start(ada, conversation)
    other = await Conversation.objects.acreate(owner=ada, title="Other")

    response = await asite.get(f"/c/{other.pk}/m/{turn.answer.pk}/source/")

    assert response.status_code == 404
