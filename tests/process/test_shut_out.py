"""Who is signed out, switched off or loses a key is out: what they have open is closed, what they ask next is refused.

A hundred times, in the running product, while answers are computed. How long it took is printed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from chat.flow import SIGNED_OUT
from tests.process.api_process import ApiProcess
from tests.process.test_api_streams import BODY, Reader

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

ENDLESS = {
    "text": "On and on it goes, line by line. ",
    "loop": True,
    "context_length": 100_000,
    "layers": 4,
    "width": 256,
}
OPTIONS = ("--context-window", "60000", "--max-sequences", "8")
ROUND = ("leaves", "leaves everywhere", "signed out", "switched off", "switched off", "loses key")
NUM_ROUNDS = 17
TOKEN = "a" * 32
MAKE_PEOPLE = """
import json
from django.conf import settings
from django.test import Client
from accounts import keys
from accounts.models import User
from chat.models import Conversation

def session(user):
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value

def person(number):
    user = User.objects.create_user(f"person{{number}}")
    key = keys.create(owner=user, name="test", scopes=["generate"])
    chat = Conversation.objects.create(owner=user)
    return {{
        "id": user.pk, "here": session(user), "elsewhere": session(user),
        "chat": str(chat.pk), "key": key.secret, "key_id": str(key.key.pk),
    }}

ada = User.objects.create_superuser("ada")
names = {{"session": settings.SESSION_COOKIE_NAME, "csrf": settings.CSRF_COOKIE_NAME}}
people = [person(number) for number in range({number})]
print(json.dumps({{"names": names, "administrator": session(ada), "people": people}}))
"""


class Person(msgspec.Struct):
    """`here` and `elsewhere` are sessions: of two browsers."""

    id: int
    here: str
    elsewhere: str
    chat: str
    key: str
    key_id: str


class World(msgspec.Struct):
    names: dict[str, str]
    administrator: str
    people: list[Person]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path_factory.mktemp("api"), {"endless": ENDLESS}, *OPTIONS) as api:
        yield api


@dataclass
class Open:
    """What one person has open, and how they come to be shut out."""

    api: ApiProcess
    world: World
    person: Person
    kind: str
    closed_at_end: ExitStack

    def __post_init__(self) -> None:
        self.keeps_key = self.kind in ("leaves", "leaves everywhere", "signed out")
        self.socket = None if self.kind == "loses key" else self._open_socket()
        self.stream = None if self.keeps_key else self._open_stream()

    def _open_socket(self) -> ClientConnection:
        opened = connect(
            f"ws://{self.api.web.host}/ws/c/{self.person.chat}/",
            origin=Origin(f"http://{self.api.web.host}"),
            additional_headers={"Cookie": self._cookies(self.person.here)},
            proxy=None,
        )
        socket = self.closed_at_end.enter_context(opened)
        socket.send(json.dumps({"version": ""}))
        return socket

    def _open_stream(self) -> Reader:
        stream = Reader(self.api, {**BODY, "model": "endless"}, self.person.key)
        stream.until(rb"content.*content")
        return stream

    def _cookies(self, session: str) -> str:
        names = self.world.names
        return f"{names['session']}={session}; {names['csrf']}={TOKEN}"

    def shut_out(self) -> None:
        administrator, person = self.world.administrator, f"/people/{self.person.id}"
        session, path = {
            "leaves": (self.person.here, "/sign-out/"),
            "leaves everywhere": (self.person.elsewhere, "/profile/sign-out"),
            "signed out": (administrator, f"{person}/sign-out"),
            "switched off": (administrator, f"{person}/deactivate"),
            "loses key": (self.person.here, f"/account/keys/{self.person.key_id}/revoke/"),
        }[self.kind]
        body = f"csrfmiddlewaretoken={TOKEN}".encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert self._ask("POST", path, session, body, **form)[0] == 302

    def _ask(self, method: str, path: str, session: str, body: bytes | None = None, **head: str):
        return self.api.web.request(method, path, body, Cookie=self._cookies(session), **head)

    def is_refused(self) -> bool:
        """What is asked next, in each way that was open."""
        answers = []
        if self.socket is not None:
            status, headers, _ = self._ask("GET", "/", self.person.here)
            answers.append(status == 302 and headers["Location"].startswith("/sign-in/"))
        if self.stream is not None:
            answers.append(self.api.get("/v1/models", self.person.key)[0] == 401)
        return all(answers)

    @property
    def waits(self) -> list[Callable[[], float]]:
        """Each waits for one end, and says when it was."""
        return [
            *([self._socket_ends] if self.socket is not None else []),
            *([self._stream_ends] if self.stream is not None else []),
        ]

    def _socket_ends(self) -> float:
        assert self.socket is not None
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                self.socket.recv(timeout=60)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == SIGNED_OUT
        return time.monotonic()

    def _stream_ends(self) -> float:
        assert self.stream is not None
        assert b"revoked" in self.stream.rest()
        return time.monotonic()


def test_a_hundred_times_what_is_open_is_closed_and_what_comes_next_is_refused(api):
    number = NUM_ROUNDS * len(ROUND)
    world = msgspec.json.decode(api.web.run(MAKE_PEOPLE.format(number=number)), type=World)
    people = iter(world.people)
    times: list[float] = []
    for _ in range(NUM_ROUNDS):
        with ExitStack() as stack:
            times += shut_out([Open(api, world, next(people), kind, stack) for kind in ROUND])

    print(f"{number} shut out, {len(times)} ends, the slowest after {max(times):.2f} s")
    assert number >= 100
    assert len(times) == NUM_ROUNDS * 8


def shut_out(round_: list[Open]) -> list[float]:
    """How long after each began to be shut out each of its ends came."""
    with ThreadPoolExecutor(max_workers=16) as threads:
        ends: list[tuple[float, Any]] = []
        for one in round_:
            waiting = [threads.submit(wait) for wait in one.waits]
            began_at = time.monotonic()
            one.shut_out()
            assert one.is_refused(), one.kind
            ends += [(began_at, wait) for wait in waiting]
        return [wait.result() - began_at for began_at, wait in ends]
