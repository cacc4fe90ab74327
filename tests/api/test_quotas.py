"""A quota of requests holds for requests that come at the same time, and gives back what was not used."""

from __future__ import annotations

import asyncio
import gc
import json
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from django.utils import timezone

from accounts import keys, usage
from accounts.key_models import Scope
from accounts.models import Quota, UsageRecord, User
from api import rates
from chat.models import Conversation, Message, MessageState
from models_app import engine, loading
from tests.chat.scripted_client import DONE, ScriptedClient, deltas

pytestmark = pytest.mark.django_db(transaction=True)
CHAT = "/v1/chat/completions"
HELLO = {"model": "plain", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def inference(monkeypatch: pytest.MonkeyPatch) -> ScriptedClient:
    rates.reset()
    client = ScriptedClient()
    for user_of_it in (engine, loading):
        monkeypatch.setattr(user_of_it, "inference_client", lambda **_: client)
    return client


@pytest.fixture
def key(ada: User, entry, inference: ScriptedClient) -> str:
    return keys.create(owner=ada, name="x", scopes=tuple(Scope)).secret


async def post(key: str, path: str = CHAT, **fields: Any) -> Any:
    return await AsyncClient().post(
        path,
        json.dumps(HELLO | fields).encode(),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )


async def until_all_run(
    tasks: list[asyncio.Task[Any]], inference: ScriptedClient, *, choices: int = 1
) -> None:
    """Each is refused, or generates."""
    async with asyncio.timeout(20):
        while sum(task.done() for task in tasks) + len(inference.requests) // choices < len(tasks):
            await asyncio.sleep(0.01)


async def answered(tasks: list[asyncio.Task[Any]], inference: ScriptedClient) -> list[int]:
    """What runs comes to its end, and is recorded."""
    for request in inference.requests:
        await inference.say(request.generation_id, *deltas("Hi"), DONE)
    statuses = [response.status_code for response in await asyncio.gather(*tasks)]
    async with asyncio.timeout(20):
        while await UsageRecord.objects.acount() < len(inference.requests):
            await asyncio.sleep(0.01)
    inference.requests.clear()
    return statuses


async def at_once(number: int, key: str, inference: ScriptedClient) -> list[int]:
    tasks = [asyncio.create_task(post(key)) for _ in range(number)]
    await until_all_run(tasks, inference)
    return await answered(tasks, inference)


async def test_of_five_at_once_a_quota_of_one_request_lets_one_in(ada, key, inference):
    await Quota.objects.acreate(user=ada, hours=1, max_requests=1)

    assert sorted(await at_once(5, key, inference)) == [200, 429, 429, 429, 429]

    assert (await post(key)).status_code == 429
    await UsageRecord.objects.aupdate(created_at=timezone.now() - timedelta(hours=2))
    assert await at_once(1, key, inference) == [200]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {"temperature": -1}),
        (CHAT, {"n": 100}),
        ("/v1/responses", {"input": "x", "temperature": -1}),
        ("/v1/messages", {"max_tokens": 1, "temperature": -1}),
        ("/v1/embeddings", {"input": [1]}),
    ],
)
async def test_a_request_that_is_refused_uses_nothing_up(ada, key, inference, path, fields):
    await Quota.objects.acreate(user=ada, hours=1, max_requests=1)
    gc.disable()
    try:
        assert (await post(key, path, **fields)).status_code == 400
        standing = (await sync_to_async(usage.standings)(ada))[0]
    finally:
        gc.enable()

    assert standing.used == 0
    assert await at_once(1, key, inference) == [200]


async def test_each_of_several_answers_counts_while_it_runs(ada, key, inference):
    await Quota.objects.acreate(user=ada, hours=1, max_requests=2)
    tasks = [asyncio.create_task(post(key, n=2))]
    await until_all_run(tasks, inference, choices=2)

    refused = await post(key)

    assert refused.status_code == 429
    assert await answered(tasks, inference) == [200]
    assert (await sync_to_async(usage.standings)(ada))[0].used == 2


async def test_an_answer_that_runs_in_the_chat_counts_too(ada, key, inference):
    await Quota.objects.acreate(user=ada, hours=1, max_requests=1)
    chat = await Conversation.objects.acreate(owner=ada)
    await Message.objects.acreate(
        conversation=chat, role=Message.Role.ASSISTANT, state=MessageState.STREAMING
    )

    assert await at_once(1, key, inference) == [429]


async def test_what_somebody_else_runs_does_not_count(ada, grace, key, inference):
    await Quota.objects.acreate(hours=1, max_requests=1)
    other = (await sync_to_async(keys.create)(owner=grace, name="y", scopes=tuple(Scope))).secret
    tasks = [asyncio.create_task(post(one)) for one in (key, other)]
    await until_all_run(tasks, inference)

    assert await answered(tasks, inference) == [200, 200]
