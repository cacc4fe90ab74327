"""Every route, method and socket message, asked for by everybody: refused or not as its row says."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.test import AsyncClient

from accounts.models import User
from chat import flow
from chat.consumers import PageMessage
from chat.models import Conversation, Message, MessageState, Share
from chat.routing import websocket_urlpatterns
from tests.chat.routes import ROWS, SOCKET_ROWS, Row, all_routes
from tests.chat.test_socket import Viewer

METHODS = ("GET", "POST", "DELETE")
WHO = ("anonymous", "viewer", "other", "administrator", "owner")
MAY: dict[str, tuple[str, ...]] = {
    "anybody": WHO,
    "people": ("viewer", "other", "administrator", "owner"),
    "writers": ("other", "administrator", "owner"),
    "staff": ("administrator",),
    "owner": ("owner",),
    "readers": ("viewer", "owner"),
}
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


class World:
    """The owner's chat, shared with the viewer's group; a chat of somebody else; one to be managed."""

    people: dict[str, User]
    chat: Conversation
    answer: Message
    foreign: Message
    share: Share

    def __init__(self, entry: Any) -> None:
        names = [name for name in WHO if name != "anonymous"]
        self.people = {name: User.objects.create_user(name) for name in [*names, "target"]}
        self.people["administrator"].is_staff = self.people["administrator"].is_superuser = True
        self.people["administrator"].save()
        self.people["viewer"].is_viewer = True
        self.people["viewer"].save()
        readers = Group.objects.create(name="Readers")
        readers.user_set.add(self.people["viewer"])
        self.chat, self.answer = self._chat_of("owner", entry)
        _, self.foreign = self._chat_of("other", entry)
        self.share = Share.objects.create(conversation=self.chat, group=readers)

    def _chat_of(self, name: str, entry: Any) -> tuple[Conversation, Message]:
        chat = Conversation.objects.create(owner=self.people[name], title=name, model=entry)
        prompt = Message.objects.create(conversation=chat, role="user", text="Hi")
        answer = Message.objects.create(
            conversation=chat,
            parent=prompt,
            role="assistant",
            text="Hello",
            state=MessageState.STOPPED,
        )
        chat.leaf = answer
        chat.save()
        return chat, answer

    def path(self, route: str) -> str:
        known = {
            "conversation_id": self.chat.pk,
            "message_id": self.answer.pk,
            "share_id": self.share.pk,
            "user_id": self.people["target"].pk,
        }

        def filled(match: re.Match[str]) -> str:
            kind, name = match.group(1), match.group(2)
            if name in known:
                return str(known[name])
            return {"uuid": str(uuid4()), "int": "987654"}.get(kind, "none")

        return "/" + re.sub(r"<(\w+):(\w+)>", filled, route)

    def client(self, name: str) -> AsyncClient:
        client = AsyncClient()
        if name != "anonymous":
            client.force_login(self.people[name])
        return client


@pytest_asyncio.fixture
async def world(entry, inference, monkeypatch) -> World:
    monkeypatch.setattr(settings, "HUB_IS_OFFLINE", True)
    return await sync_to_async(World)(entry)


async def status(world: World, name: str, method: str, route: str) -> int | str:
    """The status; "sign in" for the way to the sign-in page."""
    cache.clear()
    client = await sync_to_async(world.client)(name)
    said = {"text": "Hi", "client_id": str(uuid4())}
    data = {"data": said} if method == "POST" else {}
    response = await getattr(client, method.lower())(world.path(route), **data)
    leads_to = response.headers.get("Location", "")
    is_the_sign_out = "Clear-Site-Data" in response.headers
    if leads_to.startswith("/sign-in/") and not is_the_sign_out:
        return "sign in"
    return int(response.status_code)


def refusals(row: Row, name: str, method: str) -> set[int | str] | None:
    """What this person may be answered with; None: anything but a refusal."""
    if name == "anonymous" and row.audience != "anybody":
        return {"sign in"}
    if row.audience == "staff" and name not in MAY["staff"]:
        return {403}
    if method not in row.methods.split():
        return {405}
    if name not in MAY[row.audience]:
        return {403} if row.audience == "writers" else {403, 404}
    return None


def test_every_route_has_a_row_and_every_row_a_route():
    assert set(all_routes()) == set(ROWS)


def test_every_socket_and_every_message_has_a_row():
    assert {str(route.pattern) for route in websocket_urlpatterns} == set(SOCKET_ROWS)
    assert set(PageMessage.__struct_fields__) == set(SOCKET_ROWS["ws/c/<uuid:conversation_id>/"])


@pytest.mark.parametrize("route", sorted(ROWS))
async def test_a_route_answers_whom_it_is_for_and_nobody_else(route, world):
    row = ROWS[route]
    wrong = []
    for name in WHO:  # the owner last: what they do changes the chat
        for method in METHODS:
            answered = await status(world, name, method, route)
            expected = refusals(row, name, method)
            never = {401, 403, 405, 500, "sign in"} | (set() if row.missing else {404})
            is_right = answered not in never if expected is None else answered in expected
            if not is_right:
                wrong.append((name, method, answered, expected))

    assert wrong == []


@pytest.mark.parametrize("action", ["retry", "source"])
async def test_a_message_of_another_chat_is_missing_in_ones_own(world, action):
    client = await sync_to_async(world.client)("owner")
    path = f"/c/{world.chat.pk}/m/{world.foreign.pk}/{action}/"

    response = await (client.post(path) if action == "retry" else client.get(path))

    assert response.status_code == 404


async def test_a_viewer_who_owns_chats_from_before_reads_them_and_starts_nothing(world):
    await User.objects.filter(username="owner").aupdate(is_viewer=True)

    assert await status(world, "owner", "GET", "c/<uuid:conversation_id>/") == 200
    assert await status(world, "owner", "POST", "c/<uuid:conversation_id>/send/") == 403
    retry = "c/<uuid:conversation_id>/m/<uuid:message_id>/retry/"
    assert await status(world, "owner", "POST", retry) == 403


@pytest.mark.parametrize("name", WHO)
@pytest.mark.parametrize("message", [{"version": ""}, {"taken": 0}])
async def test_a_socket_hears_its_owner_only(world, name, message):
    client = await sync_to_async(world.client)(name)
    page = Viewer(world.chat.pk, client if name != "anonymous" else None)
    await page.socket.connect()
    try:
        if name == "owner":
            await page.say(**message)
            assert "Hello" in await page.until("transcript-version")
        else:
            code = flow.SIGNED_OUT if name == "anonymous" else flow.GONE
            assert await page.closing_code() == code
    finally:
        await page.socket.disconnect()
