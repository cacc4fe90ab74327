from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.db import DatabaseError, connection

from accounts.database import in_database
from accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)


@in_database
def raw_connection() -> Any:
    User.objects.exists()
    return connection.connection


@in_database
def fail() -> None:
    connection.cursor().execute("SELECT * FROM nothing_of_that_name")


async def test_the_connection_stays_open_from_one_question_to_the_next():
    assert await raw_connection() is await raw_connection()


async def test_a_connection_that_failed_is_given_up():
    failed = await raw_connection()

    with pytest.raises(DatabaseError):
        await fail()

    assert await raw_connection() is not failed


async def test_what_was_begun_comes_to_its_end_when_nobody_waits_any_more():
    begun, go_on = threading.Event(), threading.Event()

    @in_database
    def create() -> None:
        begun.set()
        go_on.wait(10)
        User.objects.create_user("late")

    waiting = asyncio.create_task(create())
    await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    async with asyncio.timeout(10):
        while not await User.objects.filter(username="late").aexists():
            await asyncio.sleep(0.01)
