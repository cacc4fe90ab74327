"""Each answer of the chat stands in the ledger once; a spent quota refuses the next one in words."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from accounts.models import Quota, UsageRecord
from chat import settling
from chat.models import Message
from tests.chat.conftest import start, until_settled
from tests.chat.scripted_client import DONE, deltas

pytestmark = pytest.mark.django_db(transaction=True)


async def test_an_answer_is_recorded_once(ada, conversation, inference):
    turn = await start(ada, conversation)
    await inference.say(turn.answer.pk, *deltas("Hi"), DONE)
    await until_settled(turn.answer.pk)

    ending = settling.Ending.of(DONE)
    written = settling.Written("Hi")
    await sync_to_async(settling.settle)(turn.answer.pk, written=written, ending=ending)

    record = await UsageRecord.objects.aget()
    assert (record.user_id, record.model_name) == (ada.pk, conversation.model.name)
    assert (record.prompt_tokens, record.completion_tokens) == (7, 3)


async def test_of_five_at_once_a_quota_of_one_request_lets_one_in(ada, asite, entry, inference):
    await Quota.objects.acreate(user=ada, hours=1, max_requests=1)
    messages = [{"text": "Hi", "client_id": str(uuid4())} for _ in range(5)]

    sent = await asyncio.gather(*(asite.post("/c/new/", one) for one in messages))

    assert sorted(one.status_code for one in sent) == [200, 422, 422, 422, 422]
    assert len(inference.requests) == 1
    await inference.say(inference.requests[0].generation_id, DONE)
    await until_settled(UUID(inference.requests[0].generation_id))
    again = {"text": "Hi", "client_id": str(uuid4())}
    assert (await asite.post("/c/new/", again)).status_code == 422
    await UsageRecord.objects.aupdate(created_at=timezone.now() - timedelta(hours=2))
    assert (await asite.post("/c/new/", again)).status_code == 200


async def test_a_spent_quota_keeps_the_text_and_says_when(ada, conversation, asite, inference):
    await Quota.objects.acreate(user=ada, hours=24, max_requests=1)
    await UsageRecord.objects.acreate(user=ada, model_name="plain")
    said = {"text": "Hi", "client_id": str(uuid4())}

    response = await asite.post(f"/c/{conversation.pk}/send/", said)

    assert response.status_code == 422
    assert "1 of the 1 requests" in response.text
    assert "You can go on in" in response.text
    assert not await Message.objects.aexists()
    assert inference.requests == []
