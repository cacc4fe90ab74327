from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import DatabaseError
from django.test import AsyncClient

from accounts.models import Session, User
from chat import flow, lookout
from chat.lookout import Subject
from chat.models import Conversation

pytestmark = pytest.mark.django_db(transaction=True)


def key_of(client: AsyncClient) -> str:
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "LOOK_SECONDS", 0.05)


@pytest.fixture
def subjects(asite: AsyncClient, ada: User) -> list[Subject]:
    chats = [Conversation.objects.create(owner=ada) for _ in range(40)]
    return [Subject(key_of(asite), ada.pk, chat.pk) for chat in chats]


async def all_next(subjects: list[Subject]) -> list[Any]:
    return await asyncio.gather(*map(lookout.next_look, subjects), return_exceptions=True)


def codes(seen: list[Any]) -> list[int]:
    return [one.code if isinstance(one, flow.Refused) else 0 for one in seen]


def test_forty_pages_cost_two_queries_a_round(subjects, django_assert_num_queries):
    with django_assert_num_queries(2):
        seen = async_to_sync(all_next)(subjects)

    assert codes(seen) == [0] * 40


async def test_each_page_is_told_of_its_own(subjects, ada, grace, stranger):
    own, gone, foreign = subjects[:3]
    await Conversation.objects.filter(pk=gone.conversation_id).adelete()
    hers = Subject(key_of(stranger), grace.pk, foreign.conversation_id)
    borrowed = Subject(key_of(stranger), ada.pk, own.conversation_id)
    nobody = Subject(None, None, own.conversation_id)
    missing = Subject(own.session_key, ada.pk, uuid4())

    seen = await all_next([own, gone, hers, borrowed, nobody, missing])

    out, away = flow.SIGNED_OUT, flow.GONE
    assert codes(seen) == [0, away, away, out, out, away]


async def test_a_page_that_comes_while_others_are_looked_at_waits_for_the_next_round(
    subjects, monkeypatch
):
    looks: list[int] = []
    real = lookout.look_at

    async def slowly(asked: Any) -> Any:
        looks.append(len(asked))
        await asyncio.sleep(0.1)
        return await real(asked)

    monkeypatch.setattr(lookout, "look_at", slowly)
    first = asyncio.create_task(lookout.next_look(subjects[0]))
    while not looks:
        await asyncio.sleep(0.01)

    second = await asyncio.wait_for(lookout.next_look(subjects[1]), 5)

    assert second == await first
    assert looks == [1, 1]


async def test_a_page_that_is_closed_while_it_waits_does_not_hinder_the_others(subjects):
    leaving = asyncio.create_task(lookout.next_look(subjects[0]))
    staying = asyncio.create_task(lookout.next_look(subjects[1]))
    await asyncio.sleep(0)

    leaving.cancel()

    assert await asyncio.wait_for(staying, 5)
    assert leaving.cancelled()


async def test_a_database_that_fails_once_is_told_to_all_and_asked_again(subjects, monkeypatch):
    async def fails(asked: Any) -> Any:
        raise DatabaseError("locked")

    with monkeypatch.context() as broken:
        broken.setattr(lookout, "look_at", fails)
        failed = await all_next(subjects[:3])
    again = await all_next(subjects[:3])

    assert [type(one) for one in failed] == [DatabaseError] * 3
    assert codes(again) == [0] * 3


async def test_a_session_that_ended_is_seen_in_the_next_round(subjects):
    await all_next(subjects)
    await Session.objects.all().adelete()

    assert codes(await all_next(subjects)) == [flow.SIGNED_OUT] * 40
