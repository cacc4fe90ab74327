"""Streams on the wire: who goes away, who comes back, who loses the key, and who never reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest

from inference.client import InferenceClient
from inference.types import ModelState, ServiceStatus
from tests.process.api_process import ApiProcess
from tests.process.web_process import wait_until

pytestmark = pytest.mark.process

SCRIPTS = {
    "plain": "The **answer** is here.\nIt has two lines.",
    "calls": '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    "endless": {
        "text": "On and on it goes, line by line. ",
        "loop": True,
        "context_length": 100_000,
        "layers": 12,
        "width": 256,
    },
    "slow": {"printable": True, "layers": 30, "width": 576, "context_length": 8192},
}
OPTIONS = ("--context-window", "60000", "--max-sequences", "2")
BODY = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path_factory.mktemp("api"), SCRIPTS, *OPTIONS) as api:
        yield api


@pytest.fixture(scope="module")
def key(api: ApiProcess) -> str:
    return api.key()


def status(api: ApiProcess) -> ServiceStatus:
    client = InferenceClient(api.data_dir / "run" / "inference.sock", timeout=30)
    return asyncio.run(client.status())


def is_idle(api: ApiProcess) -> bool:
    return all(model.num_running + model.num_waiting == 0 for model in status(api).models)


@pytest.fixture(autouse=True)
def readers_leave(api) -> Iterator[None]:
    yield
    while Reader.open:
        Reader.open.pop().close()
    wait_until(lambda: is_idle(api))


class Reader:
    """A client of one stream, byte by byte."""

    open: ClassVar[list[Reader]] = []

    def __init__(
        self,
        api: ApiProcess,
        body: object,
        key: str,
        path: str = "/v1/chat/completions",
        **headers: str,
    ) -> None:
        data = json.dumps(body).encode() if body is not None else b""
        lines = [
            f"{'POST' if body is not None else 'GET'} {path} HTTP/1.1",
            f"Host: {api.web.host}",
            f"Authorization: Bearer {key}",
            "Content-Type: application/json",
            f"Content-Length: {len(data)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self.socket = socket.create_connection(("127.0.0.1", api.web.port), timeout=60)
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        self.received = b""
        Reader.open.append(self)

    def until(self, pattern: bytes) -> bytes:
        while not re.search(pattern, self.received, re.DOTALL):
            part = self.socket.recv(65536)
            if not part:
                raise AssertionError(f"it ended without {pattern!r}: {self.received!r}")
            self.received += part
        return self.received

    def rest(self) -> bytes:
        with contextlib.suppress(ConnectionError):
            while part := self.socket.recv(65536):
                self.received += part
                if self.received.endswith(b"0\r\n\r\n"):
                    break
        return self.received

    @property
    def stream(self) -> bytes:
        """The body without its chunks, and without comments."""
        body, rest = b"", self.received.partition(b"\r\n\r\n")[2]
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body, rest = body + rest[: int(size or b"0", 16)], rest[int(size or b"0", 16) + 2 :]
        lines = [line for line in body.split(b"\n") if line[:1] != b":"]
        return b"\n".join(lines).lstrip(b"\n")

    def close(self) -> None:
        self.socket.close()


def loaded(api: ApiProcess, key: str, *models: str) -> None:
    for model in models:
        assert (
            api.post(
                "/v1/chat/completions",
                {**BODY, "model": model, "max_tokens": 1, "stream": False},
                key,
            )[0]
            == 200
        )


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_the_engine_at_once(api, key, stream):
    loaded(api, key, "endless")
    for _ in range(5):
        client = Reader(api, {**BODY, "model": "endless", "stream": stream}, key)
        if stream:
            client.until(rb"content.*content")
        else:
            wait_until(lambda: not is_idle(api))

        client.close()
        left_at = time.monotonic()

        wait_until(lambda: is_idle(api))
        print(f"freed after {time.monotonic() - left_at:.3f} s")


def test_a_client_that_goes_away_while_its_prompt_is_read_frees_the_engine(api, key):
    loaded(api, key, "slow")
    long = [{"role": "user", "content": "word " * 1500}]
    client = Reader(api, {**BODY, "model": "slow", "messages": long}, key)
    wait_until(lambda: not is_idle(api))

    client.close()

    wait_until(lambda: is_idle(api))
    assert next(one for one in status(api).models if one.num_running == 0).state is ModelState.READY


def test_a_client_that_goes_away_while_it_waits_leaves_the_queue(api, key):
    loaded(api, key, "endless")
    running = [Reader(api, {**BODY, "model": "endless"}, key) for _ in range(2)]
    for one in running:
        one.until(rb"content.*content")
    waiting = Reader(api, {**BODY, "model": "endless"}, key)
    wait_until(lambda: any(model.num_waiting for model in status(api).models))

    waiting.close()

    wait_until(lambda: not any(model.num_waiting for model in status(api).models))
    assert any(model.num_running == 2 for model in status(api).models)
    for one in running:
        one.close()
    wait_until(lambda: is_idle(api))


def test_who_waits_is_told_so_by_comments(api, key):
    loaded(api, key, "endless")
    running = [Reader(api, {**BODY, "model": "endless"}, key) for _ in range(2)]
    for one in running:
        one.until(rb"content.*content")

    waiting = Reader(api, {**BODY, "model": "endless"}, key)

    head = waiting.until(rb"\r\n: queued 1, about \d+ s\n\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"text/event-stream" in head
    for one in [*running, waiting]:
        one.close()
    wait_until(lambda: is_idle(api))


@pytest.mark.parametrize("model", ["plain", "calls"])
def test_a_stream_is_read_again_byte_for_byte_from_any_event(api, key, model):
    tools = [{"type": "function", "function": {"name": "weather"}}]
    asked = {**BODY, "model": model, "tools": tools, "stream_options": {"include_usage": True}}
    first = Reader(api, asked, key)
    first.rest()
    events = first.stream.split(b"\n\n")[:-1]
    ids = [event.split(b"\n")[0].removeprefix(b"id: ").decode() for event in events]
    stream_id = ids[0].partition(":")[0]

    assert [one.rpartition(":")[2] for one in ids] == [str(n + 1) for n in range(len(ids))]
    for after in (0, 1, len(ids) // 2, len(ids)):
        again = Reader(api, None, key, f"/v1/streams/{stream_id}?after={after}")
        again.rest()
        assert again.stream == b"".join(event + b"\n\n" for event in events[after:])
    head = f"HEAD /v1/streams/{stream_id} HTTP/1.1\r\nHost: {api.web.host}\r\nAuthorization: Bearer {key}\r\n"
    assert api.web.raw(f"{head}Connection: close\r\n\r\n".encode()).partition(b"\r\n\r\n")[2] == b""
    by_header = Reader(api, asked, key, **{"Last-Event-ID": ids[1]})
    by_header.rest()
    assert by_header.stream == b"".join(event + b"\n\n" for event in events[2:])


def test_a_stream_goes_on_byte_for_byte_when_web_was_killed(api, key):
    loaded(api, key, "endless")
    asked = {**BODY, "model": "endless", "max_tokens": 600, "seed": 1}
    broken = Reader(api, asked, key)
    broken.until(rb"content.*content.*content")
    api.web.kill()
    with contextlib.suppress(ConnectionError):
        broken.rest()
    api.web.start()
    came = [part for part in broken.received.split(b"\n\n") if b"id: " in part][:-1]
    last = re.findall(rb"id: (\S+)", came[-1])[0].decode()
    stream_id, _, number = last.rpartition(":")

    rest = Reader(api, None, key, f"/v1/streams/{stream_id}", **{"Last-Event-ID": last})
    rest.rest()
    whole = Reader(api, None, key, f"/v1/streams/{stream_id}?after=0")
    whole.rest()

    events = whole.stream.split(b"\n\n")[:-1]
    assert rest.stream.split(b"\n\n")[:-1] == events[int(number) :]
    assert rest.stream.endswith(b"data: [DONE]\n\n")
    assert b'"finish_reason":"length"' in rest.stream


def test_a_stream_that_outlives_its_reader_goes_on(api, key):
    loaded(api, key, "endless")
    asked = {**BODY, "model": "endless", "max_tokens": 300, "resumable": True}
    gone = Reader(api, asked, key)
    gone.until(rb"content.*content")
    stream_id = re.findall(rb"id: ([^:\s]+):", gone.received)[0].decode()
    gone.close()

    again = Reader(api, None, key, f"/v1/streams/{stream_id}?after=0")
    again.rest()

    assert b'"finish_reason":"length"' in again.stream


def test_a_stream_is_nobody_elses_to_read(api, key):
    first = Reader(api, {**BODY, "model": "plain"}, key)
    first.rest()
    stream_id = re.findall(rb"id: ([^:\s]+):", first.received)[0].decode()
    missing = api.get("/v1/streams/chatcmpl-0?after=0", key)

    for other in (api.key(), api.key("generate", owner="grace")):
        status_, _, body = api.get(f"/v1/streams/{stream_id}?after=0", other)
        assert (status_, body) == (missing[0], missing[2])
    assert api.get(f"/v1/streams/{stream_id}?after=-1", key)[0] == 400
    assert api.get(f"/v1/streams/{stream_id}?after=x", key)[0] == 400


def test_a_revoked_key_ends_its_open_streams_and_lets_nobody_in(api):
    loaded(api, api.key(), "endless")
    for _ in range(3):
        key = api.key()
        client = Reader(api, {**BODY, "model": "endless"}, key)
        client.until(rb"content.*content")

        api.revoke(key)
        revoked_at = time.monotonic()

        assert b"revoked" in client.rest()
        print(f"ended after {time.monotonic() - revoked_at:.2f} s")
        assert api.get("/v1/models", key)[0] == 401
    wait_until(lambda: is_idle(api))


@pytest.mark.timeout(180)
def test_a_client_that_never_reads_is_let_go(api, key):
    loaded(api, key, "endless")
    talkative = {"logprobs": True, "top_logprobs": 20}  # fills what the system holds for a reader
    client = Reader(api, {**BODY, "model": "endless", **talkative}, key)

    wait_until(lambda: not is_idle(api))
    wait_until(lambda: is_idle(api), seconds=120)
    client.close()
