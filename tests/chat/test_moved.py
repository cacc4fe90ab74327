"""An answer of another model than the chat's: stored, shown and counted as that one's."""

from __future__ import annotations

import pytest
from django.test import AsyncClient

from accounts.models import UsageRecord, User
from chat.models import Conversation
from chat.open_page import OpenPage
from inference.types import Loading, Moved, Queued
from models_app.models import CatalogEntry
from models_app.tuning import ModelSettings
from tests.chat.conftest import start, until, until_settled
from tests.chat.scripted_client import DONE, ScriptedClient, deltas

pytestmark = pytest.mark.django_db(transaction=True)

MOVED = Moved("lark", "Lark", "Owl could not be loaded, out of memory")
DETOUR = "Answered by Lark: Owl could not be loaded, out of memory."


async def test_who_answered_and_why_is_stored_shown_and_counted(
    ada: User, conversation: Conversation, inference: ScriptedClient, asite: AsyncClient
) -> None:
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, Queued(1), MOVED, Loading(0.5), *deltas("Here."), DONE)

    answer = await until_settled(turn.answer.pk)

    assert (answer.model_name, answer.detour, answer.text) == ("Lark", DETOUR, "Here.")
    assert [record.model_name async for record in UsageRecord.objects.all()] == ["Lark"]
    page = (await asite.get(f"/c/{conversation.pk}/")).content.decode()
    assert DETOUR in page
    assert f'<span id="{answer.dom_id}-model">Lark</span>' in page


async def test_it_is_told_on_open_pages_as_soon_as_it_happens_and_once(
    ada: User, conversation: Conversation, inference: ScriptedClient
) -> None:
    turn = await start(ada, conversation)
    page = OpenPage(user=ada, conversation_id=conversation.pk)
    await page.begin("")
    while await page.next_frame():
        pass
    await inference.say(turn.answer.pk, Queued(1), MOVED)
    await until(lambda answer: answer.detour == DETOUR, turn.answer.pk)

    frame = await page.next_frame()

    assert frame is not None
    assert f'<span id="{turn.answer.dom_id}-model" hx-swap-oob="true">Lark</span>' in frame
    assert DETOUR in frame
    await inference.say(turn.answer.pk, *deltas("Here."), DONE)
    await until_settled(turn.answer.pk)
    rest = ""
    while frame := await page.next_frame():
        rest += frame
    assert "Here." in rest
    assert DETOUR not in rest


async def test_a_chat_asks_its_model_with_its_fallback(
    ada: User, conversation: Conversation, entry: CatalogEntry, inference: ScriptedClient
) -> None:
    other = await CatalogEntry.objects.acreate(path="/models/lark.gguf", name="Lark")
    await ModelSettings.objects.acreate(entry=entry, fallback=other)

    turn = await start(ada, conversation)

    assert turn.request is not None
    assert turn.request.model.fallback == other.bare_spec
    await inference.say(turn.answer.pk, DONE)
    await until_settled(turn.answer.pk)
