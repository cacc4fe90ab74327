"""The load of `benchmarks.api`: streams through the web process, the same ones without it, and idle pages.

The web server takes 64 connections from one address, so the load comes from several of the loopback network's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from inference.client import InferenceClient
from inference.types import ChatMessage, Delta, Finished, GenerationRequest, SamplingParams
from tests.process.api_process import ApiProcess
from tests.process.service_process import spec_of

PATH = "/v1/chat/completions"
PROMPT = "Tell me of owls."
PER_ADDRESS = 50
PAGES_OF_USER = 20
MAKE_PAGES = """
from django.conf import settings
from django.test import Client
from accounts.models import User
from chat.models import Conversation
print(settings.SESSION_COOKIE_NAME)
for number in range({users}):
    user = User.objects.create_user(f"reader{{number}}")
    client = Client()
    client.force_login(user)
    chat = Conversation.objects.create(owner=user)
    print(chat.pk, client.cookies[settings.SESSION_COOKIE_NAME].value)
"""


def address(number: int) -> tuple[str, int]:
    """Of the connection with this number."""
    return f"127.0.0.{2 + number // PER_ADDRESS}", 0


@dataclass
class Stream:
    """`gaps` in seconds between pieces of the stream, as they came."""

    model: str
    number: int = 0
    first: float | None = None
    num_tokens: int = 0
    gaps: list[float] = field(default_factory=list)
    service_first: float = 0.0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    _began_at: float = 0.0
    _last_at: float = 0.0

    async def read(self, api: ApiProcess, key: str, *, tokens: int) -> Stream:
        """Through the web process."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", api.web.port, local_addr=address(self.number)
        )
        self._began_at = time.perf_counter()
        writer.write(self._request(api, key, tokens))
        async for line in reader:
            if line.startswith(b"data: {") and b'"content":' in line and b'"role"' not in line:
                self._came()
            if b'"timings"' in line:
                measured = json.loads(line[6:])["timings"]
                self.num_tokens = measured["predicted_n"]
                self.service_first = measured["prompt_ms"] / 1000
            if line.startswith(b"data: [DONE]"):
                break
        writer.close()
        return self

    async def read_directly(self, api: ApiProcess, *, tokens: int) -> Stream:
        """From the inference service, as the web process does."""
        client = InferenceClient(api.data_dir / "run" / "inference.sock", timeout=60)
        name = str(uuid4())
        asked = GenerationRequest(
            generation_id=name,
            model=spec_of(api.models_dir / f"{self.model}.gguf"),
            messages=(ChatMessage("user", PROMPT),),
            sampling=SamplingParams(temperature=0, max_tokens=tokens),
            user=str(self.number),
        )
        self._began_at = time.perf_counter()
        await client.generate(asked)
        async for logged in client.attach(name):
            if isinstance(logged.event, Delta):
                self._came()
            elif isinstance(logged.event, Finished):
                self.num_tokens = logged.event.usage.completion_tokens
        return self

    def _request(self, api: ApiProcess, key: str, tokens: int) -> bytes:
        asked = {
            "model": self.model,
            "messages": [{"role": "user", "content": PROMPT}],
            "stream": True,
            "max_tokens": tokens,
            "temperature": 0,
        }
        body = json.dumps(asked)
        return (
            f"POST {PATH} HTTP/1.1\r\nHost: {api.web.host}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _came(self) -> None:
        now = time.perf_counter()
        if self.first is None:
            self.first = now - self._began_at
            self.begun.set()
        else:
            self.gaps.append(now - self._last_at)
        self._last_at = now


@asynccontextmanager
async def idle_pages(api: ApiProcess, number: int, *, first: int) -> AsyncIterator[None]:
    """Sockets of open chats in which nothing happens. `first`: the number of the first connection."""
    cookie, *chats = await asyncio.to_thread(_made_pages, api, -(-number // PAGES_OF_USER))
    async with AsyncExitStack() as stack:
        for index in range(number):
            chat, session = chats[index // PAGES_OF_USER].split()
            opened = connect(
                f"ws://{api.web.host}/ws/c/{chat}/",
                origin=Origin(f"http://{api.web.host}"),
                additional_headers={"Cookie": f"{cookie}={session}"},
                proxy=None,
                local_addr=address(first + index),
            )
            socket = await stack.enter_async_context(opened)
            await socket.send(json.dumps({"version": ""}))
            reading = asyncio.create_task(_read(socket))
            stack.callback(reading.cancel)
        yield


def _made_pages(api: ApiProcess, users: int) -> Sequence[str]:
    return api.web.run(MAKE_PAGES.format(users=users)).splitlines()


async def _read(socket: ClientConnection) -> None:
    """As a page does: it says what it has taken."""
    num_taken = 0
    try:
        async for _ in socket:
            num_taken += 1
            await socket.send(json.dumps({"taken": num_taken}))
    except ConnectionClosed as closed:
        print(f"an idle page was closed: {closed}")
