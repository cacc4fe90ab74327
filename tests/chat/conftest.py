"""Ada owns the conversations, Grace is a stranger to them, and there is one real model file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from django.conf import settings
from django.test import AsyncClient, Client

from accounts.models import User
from chat import recorder, turns
from chat.models import Conversation, Message, MessageState
from chat.turns import Prompt, Turn
from models_app import catalog, engine, loading
from models_app.models import CatalogEntry
from tests.chat.scripted_client import ScriptedClient
from tests.made_models import write_scripted_model

ANSWER = "The **answer** is here."


@pytest.fixture(scope="session")
def model_file() -> Path:
    folder = settings.MODEL_DIRS[0]
    folder.mkdir(parents=True, exist_ok=True)
    return write_scripted_model(folder / "plain.gguf", ANSWER)


@pytest.fixture
def entry(db: None, model_file: Path) -> CatalogEntry:
    catalog.scan()
    return CatalogEntry.objects.get(path=str(model_file))


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_superuser("ada", password="correct horse battery")


@pytest.fixture
def grace(db: None) -> User:
    return User.objects.create_user("grace", password="correct horse battery")


@pytest.fixture
def site(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def asite(ada: User) -> AsyncClient:
    """For requests that start something which outlives them."""
    client = AsyncClient()
    client.force_login(ada)
    return client


@pytest.fixture
def stranger(ada: User, grace: User) -> AsyncClient:
    client = AsyncClient()
    client.force_login(grace)
    return client


@pytest.fixture
def inference(monkeypatch: pytest.MonkeyPatch) -> ScriptedClient:
    client = ScriptedClient()
    for user_of_it in (engine, loading):
        monkeypatch.setattr(user_of_it, "inference_client", lambda **_: client)
    return client


@pytest_asyncio.fixture(autouse=True)
async def recorders_end() -> AsyncIterator[None]:
    yield
    await recorder.close()


@pytest.fixture
def conversation(ada: User, entry: CatalogEntry) -> Conversation:
    return Conversation.objects.create(owner=ada, title="Trees", model=entry)


Say = Callable[..., Message]


@pytest.fixture
def said(conversation: Conversation) -> Say:
    """Adds a message to the end of the conversation."""

    def add(role: str, text: str, **fields: Any) -> Message:
        message = Message.objects.create(
            conversation=conversation, parent=conversation.leaf, role=role, text=text, **fields
        )
        conversation.leaf = message
        conversation.save()
        return message

    return add


async def start(ada: User, conversation: Conversation, text: str = "Why?") -> Turn:
    prompt = Prompt(text=text, client_id=uuid4())
    return await turns.start(user=ada, conversation_id=conversation.pk, prompt=prompt)


async def stored(message_id: UUID) -> Message:
    return await Message.objects.select_related("conversation").aget(pk=message_id)


async def until_settled(message_id: UUID) -> Message:
    """The row, once its end is stored."""
    return await until(lambda message: not message.is_running, message_id)


async def until_state(message_id: UUID, state: MessageState) -> Message:
    return await until(lambda message: message.state == state, message_id)


async def until(condition: Callable[[Message], bool], message_id: UUID) -> Message:
    async with asyncio.timeout(20):
        while True:
            message = await stored(message_id)
            if condition(message):
                return message
            await asyncio.sleep(0.01)
