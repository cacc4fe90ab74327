"""Two members and an administrator, each with something of every kind that is private, marked by a canary.

`own` stands in what nobody else may read: chats, drafts, reasoning, settings. `known` stands in what the
administrator may see as well: names of keys, and of a model that one member alone may use, with what it says.
"""

from __future__ import annotations

import json

import msgspec

from tests.process.api_process import ApiProcess

MEMBERS = ("alder", "birch")
ADMINISTRATOR = "ada"


def own(name: str) -> str:
    return f"qz{name}own"


def known(name: str) -> str:
    return f"qz{name}known"


def scripts() -> dict[str, str]:
    """A model for each member, and one for all."""
    theirs = {known(name): f"It says {known(name)}, and ends." for name in MEMBERS}
    return {"shared": "The answer of all.", **theirs}


class Person(msgspec.Struct):
    """All ids are of things that are this person's."""

    name: str
    id: int
    session: str
    public_sessions: list[str]
    key: str
    key_ids: list[str]
    group: int | None
    chats: list[str]
    messages: list[str]
    shares: list[str]
    model: str | None


class World(msgspec.Struct):
    session_cookie: str
    csrf_cookie: str
    target: int
    shared_model: str
    people: dict[str, Person]


def make_world(api: ApiProcess) -> World:
    names = {name: {"own": own(name), "known": known(name)} for name in (ADMINISTRATOR, *MEMBERS)}
    made = api.web.run(MAKE.replace("NAMES", repr(names)))
    return msgspec.json.decode(json.dumps(json.loads(made)), type=World)


MAKE = """
import json
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from accounts import keys
from accounts.models import Session, User
from chat.models import Conversation, ConversationSettings, Message, PersonSettings, Share
from models_app import catalog
from models_app.models import CatalogEntry

def session(user):
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value

def chat_of(user, own, group, number):
    chat = Conversation.objects.create(
        owner=user, title=f"{own} title {number}", draft=f"{own} draft",
        model=CatalogEntry.objects.get(name="shared"),
    )
    ConversationSettings.objects.create(conversation=chat, system_prompt=f"{own} of this chat")
    for turn in range(2):
        prompt = Message.objects.create(
            conversation=chat, parent=chat.leaf, role="user", text=f"{own} asked {turn}"
        )
        chat.leaf = Message.objects.create(
            conversation=chat, parent=prompt, role="assistant", model_name="shared",
            text=f"{own} *answered* {turn}", reasoning=f"{own} thought",
        )
    chat.save()
    Share.objects.create(conversation=chat, group=group)
    return chat

def person(name, own, known):
    is_member = name != "ada"
    make = User.objects.create_user if is_member else User.objects.create_superuser
    user = make(name)
    group = Group.objects.create(name=f"only {name}")
    group.user_set.add(user)
    entry = CatalogEntry.objects.filter(name=known).first()
    if entry:
        entry.groups.add(group)
    PersonSettings.objects.create(user=user, system_prompt=f"{own} of all chats")
    here, other = session(user), session(user)
    chats = [chat_of(user, own, group, number) for number in range(3)]
    secret = keys.create(owner=user, name=f"{known} key", scopes=["generate", "embed", "manage"])
    more = [keys.create(owner=user, name=f"{known} {n}", scopes=["generate"]) for n in range(2)]
    return {
        "name": name, "id": user.pk, "session": here, "group": group.pk, "key": secret.secret,
        "public_sessions": [one.public_id for one in Session.objects.filter(user=user)],
        "key_ids": [str(one.key.pk) for one in (secret, *more)],
        "chats": [str(chat.pk) for chat in chats],
        "messages": [str(one.pk) for one in Message.objects.filter(conversation__in=chats)],
        "shares": [str(chat.share.pk) for chat in chats],
        "model": str(entry.pk) if entry else None,
    }

catalog.scan()
print(json.dumps({
    "session_cookie": settings.SESSION_COOKIE_NAME, "csrf_cookie": settings.CSRF_COOKIE_NAME,
    "target": User.objects.create_user("target").pk,
    "shared_model": str(CatalogEntry.objects.get(name="shared").pk),
    "people": {name: person(name, **canaries) for name, canaries in NAMES.items()},
}))
"""
