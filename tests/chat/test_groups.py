"""A model of a group, in the chat of somebody who is not in it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import AsyncClient

from accounts.models import Role, User
from chat.models import Conversation, Message
from models_app.models import CatalogEntry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def writers(entry) -> Group:
    """Has all models: other tests of the run may have put some more into the folder."""
    group = Group.objects.create(name="Writers")
    for one in CatalogEntry.objects.all():
        one.groups.set([group])
    return group


async def first_message(client: AsyncClient, entry) -> int:
    said = {"text": "Hi", "client_id": str(uuid4()), "model": str(entry.pk)}
    response = await client.post("/c/new/", said)
    return int(response.status_code)


async def test_it_is_not_offered_and_not_used_by_its_id(entry, writers, stranger, inference):
    page = await stranger.get("/")

    assert entry.name not in page.text
    assert await first_message(stranger, entry) == 422
    assert inference.requests == []


async def test_whoever_is_in_the_group_uses_it(entry, writers, stranger, grace, inference):
    await grace.groups.aadd(writers)

    assert await first_message(stranger, entry) == 200
    assert len(inference.requests) == 1


async def test_a_chat_whose_model_is_taken_away_is_refused_where_there_is_no_other(
    entry, writers, stranger, grace, inference
):
    conversation = await Conversation.objects.acreate(owner=grace, model=entry)
    said = {"text": "Hi", "client_id": str(uuid4())}

    response = await stranger.post(f"/c/{conversation.pk}/send/", said)

    assert response.status_code == 422
    assert not await Message.objects.aexists()


async def test_a_viewer_starts_nothing(entry, stranger, grace, inference):
    conversation = await Conversation.objects.acreate(owner=grace, model=entry)
    await User.objects.filter(pk=grace.pk).aupdate(is_viewer=True)
    said = {"text": "Hi", "client_id": str(uuid4())}

    assert (await User.objects.aget(pk=grace.pk)).role is Role.VIEWER
    assert await first_message(stranger, entry) == 403
    assert (await stranger.post(f"/c/{conversation.pk}/send/", said)).status_code == 403
    assert not await Message.objects.aexists()
    assert inference.requests == []
