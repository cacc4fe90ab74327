"""How the answers of a chat shall be: the chat's word goes before its person's, theirs before the
model's and its file's."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from accounts.models import User
from chat.models import Conversation, ConversationSettings, PersonSettings
from inference.types import ChatMessage, SamplingParams
from models_app.models import CatalogEntry, ModelGrant
from models_app.tuning import ModelSettings
from tests.chat.conftest import start, until_settled
from tests.chat.scripted_client import DONE

pytestmark = pytest.mark.django_db(transaction=True)


def url(conversation: Any) -> str:
    return reverse("chat:settings", args=[conversation.pk])


OWN = reverse("chat:own_settings")
NEW = reverse("chat:new_settings")
PANEL = {"HX-Request": "true", "HX-Target": "panel-body"}


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode())


async def test_the_nearest_word_counts(ada, conversation, entry, inference):
    await CatalogEntry.objects.filter(pk=entry.pk).aupdate(
        sampling={"temperature": 0.1, "top_p": 0.2, "top_k": 3, "min_p": 0.4}
    )
    await ModelSettings.objects.acreate(entry=entry, top_p=0.5, top_k=6, min_p=0.7)
    await PersonSettings.objects.acreate(user=ada, top_k=8, min_p=0.9, stop="END\n\nSTOP")
    await ConversationSettings.objects.acreate(
        conversation=conversation, min_p=0.05, system_prompt="Be brief."
    )
    await start(ada, conversation, "Why?")

    request = inference.requests[-1]
    assert request.sampling == SamplingParams(
        temperature=0.1, top_p=0.5, top_k=8, min_p=0.05, stop=("END", "STOP")
    )
    assert request.messages[0].content == "Be brief."


async def test_a_strangers_settings_change_nothing(ada, grace, conversation, inference):
    await PersonSettings.objects.acreate(user=grace, temperature=2)
    await start(ada, conversation, "Why?")

    assert inference.requests[-1].sampling == SamplingParams()


def test_each_empty_field_says_what_holds_and_who_said_so(site, ada, conversation, entry):
    CatalogEntry.objects.filter(pk=entry.pk).update(sampling={"temperature": 0.1, "top_k": 3})
    ModelSettings.objects.create(entry=entry, top_k=6)
    PersonSettings.objects.create(user=ada, min_p=0.9)

    of_chat, of_person = text_of(site.get(url(conversation))), text_of(site.get(OWN))

    for shown in (of_chat, of_person):
        assert "Empty: 0.1 (the model's file)" in shown
        assert "Empty: 6 (this model's settings)" in shown
        assert "Empty: 0.95 (Minerva)" in shown
    assert "Empty: 0.9 (your settings)" in of_chat
    assert 'value="0.9"' in of_person


@pytest.mark.parametrize("headers", [{}, PANEL])
def test_what_is_saved_is_shown_again(site, conversation, headers):
    response = site.post(url(conversation), {"temperature": "0.3"}, headers=headers)

    assert response.status_code == (204 if headers else 302)
    assert ConversationSettings.objects.get().temperature == 0.3
    assert 'value="0.3"' in text_of(site.get(url(conversation)))
    site.post(url(conversation), {}, headers=headers)
    assert ConversationSettings.objects.get().temperature is None


def test_what_is_out_of_bounds_is_refused_and_kept_in_the_form(site):
    response = site.post(OWN, {"temperature": "9", "stop": "x\n" * 17}, headers=PANEL)

    assert response.status_code == 422
    shown = text_of(response)
    assert 'value="9"' in shown
    assert "16 lines at most; these are 17." in shown
    assert not PersonSettings.objects.exists()


@pytest.mark.parametrize(("lines", "status"), [(["x" * 256] * 16, 302), (["x" * 257], 422)])
def test_stop_texts_have_bounds(site, lines, status):
    assert site.post(OWN, {"stop": "\n".join(lines)}).status_code == status


async def test_a_foreign_chat_has_no_settings(stranger, conversation):
    assert (await stranger.get(url(conversation))).status_code == 404
    response = await stranger.post(url(conversation), {"temperature": "1"})
    assert response.status_code == 404
    assert not await ConversationSettings.objects.aexists()


def test_the_page_of_a_chat_leads_to_its_settings(site, conversation):
    assert url(conversation) in text_of(site.get(f"/c/{conversation.pk}/"))
    assert NEW in text_of(site.get("/"))
    assert OWN in text_of(site.get("/"))


def test_a_person_who_goes_takes_their_settings_along(ada, conversation):
    PersonSettings.objects.create(user=ada)
    ConversationSettings.objects.create(conversation=conversation)
    User.objects.all().delete()

    assert not PersonSettings.objects.exists()
    assert not ConversationSettings.objects.exists()


async def test_a_chat_can_have_no_system_prompt_above_another(ada, conversation, entry, inference):
    await ModelSettings.objects.acreate(entry=entry, system_prompt="Be an owl.")
    await PersonSettings.objects.acreate(user=ada, no_system_prompt=True)
    turn = await start(ada, conversation, "Why?")
    assert inference.requests[-1].messages == (ChatMessage("user", "Why?"),)
    await inference.say(turn.answer.pk, DONE)
    await until_settled(turn.answer.pk)

    await ConversationSettings.objects.acreate(conversation=conversation, system_prompt="Be brief.")
    await start(ada, conversation, "And now?")

    assert inference.requests[-1].messages[0] == ChatMessage("system", "Be brief.")


def test_no_system_prompt_is_saved_shown_and_told_to_who_stands_above(site, conversation):
    shown = text_of(site.get(OWN))
    assert not ticked(shown, "no_system_prompt")

    site.post(OWN, {"no_system_prompt": "on"})

    assert ticked(text_of(site.get(OWN)), "no_system_prompt")
    assert "Empty: none (your settings)" in text_of(site.get(url(conversation)))
    site.post(OWN, {})
    assert not PersonSettings.objects.get().no_system_prompt


def test_a_system_prompt_and_none_at_once_is_refused(site):
    response = site.post(OWN, {"no_system_prompt": "on", "system_prompt": "Be brief."})

    assert response.status_code == 422
    assert "switch off “No system prompt”" in text_of(response)
    assert not PersonSettings.objects.exists()


def test_a_model_is_not_asked_for_what_it_has_nothing_behind(site, entry):
    assert "no_system_prompt" not in text_of(site.get(reverse("models:settings", args=[entry.pk])))


def test_settings_of_a_model_of_others_are_shown_to_nobody_else(client, grace, entry):
    group = Group.objects.create(name="Board")
    ModelGrant.objects.create(entry=entry, group=group)
    ModelSettings.objects.create(entry=entry, system_prompt="Secret of the board", top_k=77)
    CatalogEntry.objects.filter(pk=entry.pk).update(is_default=True)
    client.force_login(grace)
    chat = Conversation.objects.create(owner=grace, model=entry)

    for page in (OWN, NEW, f"{NEW}?model={entry.pk}", url(chat)):
        shown = text_of(client.get(page))
        assert "Answers in" in shown
        assert "Secret of the board" not in shown
        assert "Empty: 77" not in shown


# -- a chat without a message -----------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, PANEL])
def test_a_new_chat_begins_with_its_settings_and_what_was_typed(site, ada, entry, headers):
    assert "Answers in this chat" in text_of(site.get(NEW, headers=headers))

    response = site.post(
        f"{NEW}?model={entry.pk}", {"temperature": "0.3", "text": "Why?"}, headers=headers
    )

    begun = Conversation.objects.get()
    assert (begun.owner, begun.model, begun.own.temperature) == (ada, entry, 0.3)
    address = response.headers["HX-Redirect"] if headers else response.headers["Location"]
    shown = text_of(site.get(address))
    assert "Why?</textarea>" in shown
    assert "New chat" in shown
    assert url(begun) in shown


async def test_its_first_message_is_answered_as_it_was_set(ada, asite, entry, inference):
    await asite.post(NEW, {"system_prompt": "Be brief.", "text": "Why?"})
    begun = await Conversation.objects.aget()

    await start(ada, begun, "Why not?")

    assert inference.requests[-1].messages[0] == ChatMessage("system", "Be brief.")
    await begun.arefresh_from_db()
    assert (begun.title, begun.draft) == ("Why not?", "")


def test_nothing_set_begins_no_chat(site, entry):
    assert site.post(NEW, {"text": "Why?"}, headers=PANEL).status_code == 204
    assert site.post(NEW, {"text": "Why?"}).headers["Location"] == "/"
    assert not Conversation.objects.exists()


def test_wrong_settings_begin_no_chat_and_keep_the_chosen_model(site, entry):
    response = site.post(f"{NEW}?model={entry.pk}", {"temperature": "9"}, headers=PANEL)

    assert response.status_code == 422
    assert f'hx-post="{NEW}?model={entry.pk}"' in text_of(response)
    assert not Conversation.objects.exists()


async def test_a_model_that_is_not_for_everybody_is_not_taken(stranger, entry):
    group = await Group.objects.acreate(name="owls")
    await ModelGrant.objects.acreate(entry=entry, group=group)

    await stranger.post(f"{NEW}?model={entry.pk}", {"temperature": "1"})

    begun = await Conversation.objects.aget()
    assert begun.model is None


def ticked(page: str, name: str) -> bool:
    found = re.search(rf'<input type="checkbox"[^>]*name="{name}"[^>]*>', page)
    assert found
    return " checked" in found[0]
