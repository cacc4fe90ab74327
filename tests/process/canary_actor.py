"""One of them, doing what comes to mind: pages, forms, sockets and API paths, with ids of anybody."""

from __future__ import annotations

import http.client
import json
import random
import re
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.chat.routes import ROWS
from tests.process.api_process import ApiProcess
from tests.process.canary_world import ADMINISTRATOR, World, known, own

TOKEN = "a" * 32
# What ends the session that is played, opens a chat to everybody, changes the machine, or takes long to refuse.
LEFT_OUT = {
    ("POST", "sign-out/"),
    ("POST", "profile/sign-out"),
    ("POST", "sign-in/"),
    ("POST", "setup/"),
    ("POST", "profile/password"),
    ("POST", "sharing/"),
    ("GET", "chats/waiting/"),
}
ADMIN_PAGES = ("", "chat/conversation/", "chat/message/", "accounts/user/", "accounts/apikey/")
PEOPLES_ROUTES = [route for route in sorted(ROWS) if ROWS[route].audience != "staff"]
CHAT_ROUTES = [route for route in ROWS if route.startswith(("c/<", "shared/"))]
API_POSTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/v1/embeddings",
    "/tokenize",
    "/detokenize",
)
API_GETS = ("/v1/models", "/v1/stats", "/metrics", "/v1/models/{model}", "/v1/streams/{stream}")


@dataclass
class Seen:
    """An answer, and what was asked for it."""

    asked: str
    status: int
    text: str

    @property
    def texts(self) -> str:
        """Also as a person reads it: without marks, and with the pieces of a stream put together."""
        bare = re.sub(r"<[^>]*>", "", self.text)
        pieces = re.findall(r'"(?:content|text|delta|thinking)":"((?:[^"\\]|\\.)*)"', self.text)
        return "\n".join((self.text, bare, "".join(pieces)))


@dataclass
class Actor:
    """`streams` is filled by all of them: ids of answers that anybody may try to read on."""

    api: ApiProcess
    world: World
    name: str
    chance: random.Random
    streams: list[str]
    counted: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.person = self.world.people[self.name]
        self.connection = http.client.HTTPConnection("127.0.0.1", self.api.web.port, timeout=60)

    @property
    def foreign_canaries(self) -> list[str]:
        others = [name for name in self.world.people if name != self.name]
        hidden = [own(name) for name in others]
        if self.name != ADMINISTRATOR:
            hidden += [known(name) for name in others]
        return hidden

    def act(self) -> Seen:
        way = self.chance.choices(("page", "chat", "api", "socket"), (25, 45, 22, 8))[0]
        seen: Seen = getattr(self, f"_{way}")()
        self.counted[way] += 1
        self.counted[str(seen.status)] += 1
        self.counted["own"] += own(self.name) in seen.texts or known(self.name) in seen.texts
        return seen

    # -- pages --------------------------------------------------------------------------------

    def _page(self) -> Seen:
        if self.name == ADMINISTRATOR and self.chance.random() < 0.2:
            return self._ask("GET", f"/admin/{self.chance.choice(ADMIN_PAGES)}")
        is_staff = self.name == ADMINISTRATOR or self.chance.random() < 0.1
        return self._routed(self.chance.choice(sorted(ROWS) if is_staff else PEOPLES_ROUTES))

    def _chat(self) -> Seen:
        return self._routed(self.chance.choice(CHAT_ROUTES))

    def _routed(self, route: str) -> Seen:
        method = self.chance.choice(ROWS[route].methods.split())
        if (method, route) in LEFT_OUT or (method != "GET" and self._would_manage(route)):
            method, route = "GET", ""
        path = "/" + re.sub(r"<\w+:(\w+)>", lambda found: self._id(found[1]), route)
        return self._ask(method, path, self._form() if method == "POST" else None)

    def _would_manage(self, route: str) -> bool:
        """The administrator looks, and leaves people and models as they are."""
        return self.name == ADMINISTRATOR and ROWS[route].audience == "staff"

    def _id(self, kind: str) -> str:
        whose = self.world.people[self.chance.choice(sorted(self.world.people))]
        known_ids = {
            "conversation_id": whose.chats,
            "message_id": whose.messages,
            "share_id": whose.shares,
            "key_id": whose.key_ids[1:],
            "user_id": [str(whose.id), str(self.world.target)],
            "entry_id": [self.world.shared_model, whose.model or self.world.shared_model],
            "group_id": [str(whose.group)],
            "public_id": whose.public_sessions if whose.name != self.name else ["none"],
        }
        return self.chance.choice(known_ids.get(kind, [str(self._uuid())]))

    def _uuid(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128))

    def _form(self) -> dict[str, Any]:
        mine = own(self.name)
        return {
            "csrfmiddlewaretoken": TOKEN,
            "text": f"{mine} says {self.chance.random()}",
            "title": f"{mine} titled",
            "system_prompt": f"{mine} prompts",
            "client_id": self._uuid(),
            "model": self._id("entry_id"),
            "group": self.person.group,  # so nothing is ever shared with one of the others
            "username": self.name,
            "name": f"{known(self.name)} named",
            "scopes": "generate",
            "lifetime": "30",
        }

    def _ask(self, method: str, path: str, form: dict[str, Any] | None = None) -> Seen:
        cookies = {
            self.world.session_cookie: self.person.session,
            self.world.csrf_cookie: TOKEN,
        }
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        if self.chance.random() < 0.5:
            headers |= {"HX-Request": "true", "HX-Target": "panel-body"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return self._send(method, path, urllib.parse.urlencode(form or {}), headers)

    # -- programs -----------------------------------------------------------------------------

    def _api(self) -> Seen:
        headers = {"Authorization": f"Bearer {self.person.key}", "Content-Type": "application/json"}
        if self.chance.random() < 0.4:
            path = self.chance.choice(API_GETS).format(model=self._model(), stream=self._stream())
            return self._send("GET", f"{path}?after=0", "", headers)
        if self.chance.random() < 0.2:
            headers["Last-Event-ID"] = f"{self._stream()}:0"
        path = self.chance.choice(API_POSTS)
        seen = self._send("POST", path, json.dumps(self._body()), headers)
        self.streams += re.findall(r"^id: ([^:\s]+):1$", seen.text, re.MULTILINE)
        return seen

    def _body(self) -> dict[str, Any]:
        said = f"{own(self.name)} asks {self.chance.random()}"
        return {
            "model": self._model(),
            "messages": [{"role": "user", "content": said}],
            **dict.fromkeys(("prompt", "input", "content"), said),
            "tokens": [1, 2],
            "max_tokens": 16,
            "stream": self.chance.random() < 0.5,
        }

    def _model(self) -> str:
        return self.chance.choice(["shared", *(known(name) for name in self.world.people)])

    def _stream(self) -> str:
        return self.chance.choice(self.streams[-40:] or ["chatcmpl-0"])

    def _send(self, method: str, path: str, body: str, headers: dict[str, str]) -> Seen:
        self.connection.request(method, path, body or None, headers)
        answer = self.connection.getresponse()
        text = f"{answer.headers}\n{answer.read().decode(errors='replace')}"
        return Seen(f"{method} {path} {body}", answer.status, text)

    # -- sockets ------------------------------------------------------------------------------

    def _socket(self) -> Seen:
        chat, host = self._id("conversation_id"), self.api.web.host
        opened = connect(
            f"ws://{host}/ws/c/{chat}/",
            origin=Origin(f"http://{host}"),
            additional_headers={"Cookie": f"{self.world.session_cookie}={self.person.session}"},
            proxy=None,
        )
        frames = ""
        with opened as socket:
            try:
                socket.send(json.dumps({"version": ""}))
                while "transcript-version" not in frames:
                    frames += str(socket.recv(timeout=60))
            except ConnectionClosed as closed:
                frames += str(closed)
        return Seen(f"socket {chat}", 101, frames)
