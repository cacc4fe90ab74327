from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts.models import User
from chat.models import Conversation
from minerva_site.local_time import COOKIE

# In the evening there it is the next day in UTC.
LATE = datetime(2026, 3, 5, 2, 30, tzinfo=UTC)
LOS_ANGELES = "America/Los_Angeles"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada(monkeypatch) -> User:
    """She wrote this afternoon, at half past two, and looks four hours later."""
    ada = User.objects.create_superuser("ada", password="correct horse battery")
    chat = Conversation.objects.create(owner=ada, title="Owls")
    Conversation.objects.filter(pk=chat.pk).update(updated_at=LATE.replace(day=4, hour=22))
    monkeypatch.setattr(timezone, "now", lambda: LATE)
    return ada


def chats_of(ada: User, zone: str) -> str:
    client = Client()
    client.force_login(ada)
    if zone:
        client.cookies[COOKIE] = zone
    return client.get("/chats/").text


def test_a_chat_of_this_afternoon_is_of_today_where_its_person_is(ada):
    assert "Yesterday" in chats_of(ada, "")
    assert "Today" in (page := chats_of(ada, LOS_ANGELES))
    assert "Yesterday" not in page
    assert timezone.get_current_timezone_name() == "UTC"  # of the next request


@pytest.mark.parametrize(
    "zone", ["Nowhere/Land", "../../etc/passwd", "/etc/passwd", "Europe", "x" * 5000, "ü", "\x00"]
)
def test_what_is_no_time_zone_is_passed_over(ada, zone):
    assert "Yesterday" in chats_of(ada, zone)


async def test_it_holds_for_asynchronous_pages_too(ada):
    client = AsyncClient()
    await client.aforce_login(ada)
    client.cookies[COOKIE] = LOS_ANGELES

    assert "Today" in (await client.get("/")).content.decode()
