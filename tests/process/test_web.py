"""The real web process behind a real socket: limits, refusals, headers, shutdown."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from minerva_site.limits import (
    API_BODY_LIMIT,
    BODY_LIMIT,
    MAX_HEADER_COUNT,
    PROMPT_BODY_LIMIT,
    SERVICE_RESTART,
)
from tests.process.web_process import WebProcess, read_answer

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    with WebProcess(tmp_path_factory.mktemp("web") / "data") as web:
        yield web


END_OF_CHUNKS = b"0\r\n\r\n"


def chunked(body: bytes, *, piece: int = 65536) -> bytes:
    pieces = [body[i : i + piece] for i in range(0, len(body), piece)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + END_OF_CHUNKS


def post_head(web: WebProcess, path: str, *lines: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", f"Host: {web.host}", *lines, "", ""]
    return "\r\n".join(head).encode()


# -- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/csp-report", BODY_LIMIT),
        ("/c/new/", PROMPT_BODY_LIMIT),
        ("/v1/messages", API_BODY_LIMIT),
    ],
)
def test_a_body_at_the_limit_reaches_the_application(web, path, limit):
    status, _, _ = web.request("POST", path, b"x" * limit)

    assert status != 413


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/csp-report", BODY_LIMIT),
        ("/c/new/", PROMPT_BODY_LIMIT),
        ("/v1/messages", API_BODY_LIMIT),
    ],
)
def test_a_body_one_byte_over_the_limit_is_refused(web, path, limit):
    status, headers, _ = web.request("POST", path, b"x" * (limit + 1))

    assert status == 413
    assert headers["Connection"] == "close"


def test_a_program_that_sends_32_mib_gets_to_read_that_it_is_too_much(web):
    status, _, body = web.request("POST", "/v1/messages", b"x" * (32 * 1024 * 1024))

    assert status == 413
    assert json.loads(body)["error"]["code"] == "request_too_large"


def test_a_program_is_told_in_the_shape_of_its_api(web):
    answer = web.raw(post_head(web, "/v1/messages", f"Content-Length: {API_BODY_LIMIT * 8}"))

    assert answer.startswith(b"HTTP/1.1 413 ")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert error["error"]["type"] == "request_too_large"


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(web):
    answer = web.raw(post_head(web, "/csp-report", f"Content-Length: {BODY_LIMIT * 100}"))

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_waits_for_100_continue_is_refused_without_it(web):
    head = post_head(
        web, "/csp-report", f"Content-Length: {BODY_LIMIT * 100}", "Expect: 100-continue"
    )

    answer = web.raw(head)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


def test_a_chunked_body_at_the_limit_reaches_the_application(web):
    head = post_head(web, "/csp-report", "Transfer-Encoding: chunked")

    answer = web.raw(head + chunked(b"x" * BODY_LIMIT))

    assert answer.startswith(b"HTTP/1.1 204 ")


def test_a_chunked_body_one_byte_over_the_limit_is_refused(web):
    head = post_head(web, "/csp-report", "Transfer-Encoding: chunked")

    answer = web.raw(head + chunked(b"x" * (BODY_LIMIT + 1)))

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_an_endless_chunked_body_is_cut_off_and_costs_no_memory(web):
    before = psutil.Process(web.process.pid).memory_info().rss
    piece = chunked(b"x" * 65536).removesuffix(END_OF_CHUNKS)
    sent = 0

    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as client:
        client.sendall(post_head(web, "/csp-report", "Transfer-Encoding: chunked"))
        with pytest.raises(OSError, match=r"reset|pipe"):
            while sent < 100 * BODY_LIMIT:
                client.sendall(piece)
                sent += 65536

    growth = psutil.Process(web.process.pid).memory_info().rss - before
    assert growth < 8 * 1024**2
    assert web.request("GET", "/healthz")[0] == 200


def test_a_request_refused_in_the_middle_never_reaches_the_application(web):
    """The byte too many and the end of the body arrive in one piece."""
    head = post_head(web, "/seen-by-the-application", "Transfer-Encoding: chunked")
    start = chunked(b"x" * BODY_LIMIT).removesuffix(END_OF_CHUNKS)

    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(head + start)
        client.sendall(chunked(b"x"))
        received = b"".join(iter(lambda: client.recv(65536), b""))
        web.request("GET", "/also-seen")  # a closed connection would end the request as well

    assert received.startswith(b"HTTP/1.1 413 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert "/also-seen" in web.output.read_text()
    assert "/seen-by-the-application" not in web.output.read_text()


# -- headers and addresses ----------------------------------------------------------------------


def test_more_headers_than_allowed_are_refused(web):
    lines = "".join(f"X-{number}: 1\r\n" for number in range(MAX_HEADER_COUNT + 1))

    answer = web.raw(f"GET /healthz HTTP/1.1\r\nHost: {web.host}\r\n{lines}\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_header_block_over_16_kib_is_refused(web):
    lines = "".join(f"X-{number}: {'y' * 1000}\r\n" for number in range(17))

    answer = web.raw(f"GET /healthz HTTP/1.1\r\nHost: {web.host}\r\n{lines}\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_two_host_headers_are_refused(web):
    answer = web.raw(
        f"GET /healthz HTTP/1.1\r\nHost: {web.host}\r\nHost: {web.host}\r\n\r\n".encode()
    )

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_request_without_host_is_refused(web):
    answer = web.raw(b"GET /healthz HTTP/1.1\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_foreign_host_and_a_foreign_port_are_refused(web):
    assert web.request("GET", "/healthz", Host="evil.example")[0] == 400
    assert web.request("GET", "/healthz", Host="127.0.0.1:1")[0] == 400


def test_a_program_that_comes_by_another_name_is_told_so_in_json(web):
    answer = web.raw(b"POST /v1/messages HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert told["type"] == "error"
    assert "MINERVA_ALLOWED_HOSTS" in told["error"]["message"]


def test_a_request_for_a_whole_address_is_refused(web):
    answer = web.raw(f"GET http://evil.example/ HTTP/1.1\r\nHost: {web.host}\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_root_path_that_the_client_sends_has_no_effect(web):
    status, _, body = web.request("GET", "/setup/", **{"Daphne-Root-Path": "//evil.example"})

    assert status == 403
    assert b"evil.example" not in body


def test_the_security_headers_are_on_every_answer(web):
    for path in ("/healthz", "/", "/nowhere", "/setup/"):
        _, headers, _ = web.request("GET", path)

        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            f"font-src 'self'; connect-src 'self' ws://{web.host}; media-src 'self' blob:; "
            "worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
            "object-src 'none'; frame-src 'none'; frame-ancestors 'none'; report-uri /csp-report"
        )
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Permissions-Policy"].startswith("camera=(), microphone=()")
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "minerva"


# -- websockets ---------------------------------------------------------------------------------


def handshake(web: WebProcess, *, path: str = "/ws/c/x/", origin: str | None = None) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {web.host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    if origin is not None:
        lines.append(f"Origin: {origin}")
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    "origin", [None, "null", "http://127.0.0.1:1", "https://{host}", "http://evil.example"]
)
def test_a_websocket_of_a_foreign_page_is_refused(web, origin):
    origin = origin and origin.format(host=web.host)

    answer = web.raw(handshake(web, origin=origin))

    assert answer.startswith(b"HTTP/1.1 403 ")


def test_a_websocket_to_nowhere_is_refused_without_an_error(web):
    before = web.output.read_text().count("ERROR")

    answer = web.raw(handshake(web, path="/ws/nowhere/", origin=f"http://{web.host}"))

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert web.output.read_text().count("ERROR") == before


# -- connections and shutdown -------------------------------------------------------------------


def test_connections_of_one_address_have_a_cap_that_frees_up_again(web):
    clients = [socket.create_connection(("127.0.0.1", web.port), timeout=30) for _ in range(80)]
    request = f"GET /healthz HTTP/1.1\r\nHost: {web.host}\r\n\r\n".encode()
    answers = []
    for client in clients:
        try:
            client.sendall(request)
            answers.append(read_answer(client))
        except OSError:
            answers.append(b"")

    for client in clients:
        client.close()

    answered = [answer for answer in answers if answer.startswith(b"HTTP/1.1 200")]
    assert 60 <= len(answered) <= 64
    for _ in range(100):
        assert web.request("GET", "/healthz")[0] == 200


def test_sigterm_ends_the_process_while_requests_are_half_sent(tmp_path):
    with (
        WebProcess(tmp_path / "data") as web,
        socket.create_connection(("127.0.0.1", web.port)) as half,
        socket.create_connection(("127.0.0.1", web.port)) as idle,
    ):
        half.sendall(post_head(web, "/", "Content-Length: 1000") + b"x")
        idle.sendall(f"GET /healthz HTTP/1.1\r\nHost: {web.host}\r\n\r\n".encode())
        read_answer(idle)

        web.process.send_signal(signal.SIGTERM)

        assert web.process.wait(timeout=10) == 0


SIGNED_IN_WITH_A_CHAT = """
from django.conf import settings
from django.test import Client
from accounts.models import User
from chat.models import Conversation
user = User.objects.create_superuser("alice")
client = Client()
client.force_login(user)
chat = Conversation.objects.create(owner=user)
print(settings.SESSION_COOKIE_NAME, client.cookies[settings.SESSION_COOKIE_NAME].value, chat.id)
"""


@contextmanager
def open_chat(web: WebProcess) -> Iterator[ClientConnection]:
    """A websocket of somebody signed in, from our own page."""
    name, key, chat = web.run(SIGNED_IN_WITH_A_CHAT).split()
    with connect(
        f"ws://{web.host}/ws/c/{chat}/",
        origin=Origin(f"http://{web.host}"),
        additional_headers={"Cookie": f"{name}={key}"},
        proxy=None,
    ) as socket:
        yield socket


def test_open_websockets_are_told_of_a_restart_and_do_not_hold_it_up(tmp_path):
    with WebProcess(tmp_path / "data") as web, open_chat(web) as chat:
        chat.recv(timeout=30)

        web.process.send_signal(signal.SIGTERM)

        assert web.process.wait(timeout=10) == 0
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                chat.recv(timeout=30)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == SERVICE_RESTART


def test_a_websocket_message_over_64_kib_closes_the_socket(tmp_path):
    with WebProcess(tmp_path / "data") as web, open_chat(web) as chat:
        with contextlib.suppress(ConnectionClosed):
            chat.send("x" * (64 * 1024 + 1))

        with pytest.raises(ConnectionClosed):
            while True:
                chat.recv(timeout=30)

        assert web.request("GET", "/healthz")[0] == 200


def test_connections_wait_while_the_process_is_started_again(tmp_path):
    with WebProcess(tmp_path / "data") as web, ThreadPoolExecutor() as threads:
        web.kill()

        asking = threads.submit(web.request, "GET", "/healthz")
        web.start()

        assert asking.result()[0] == 200


NUMBER_OF_THREADS = """
import asyncio, threading
from minerva_site.asgi import application

async def number_of_threads():
    messages = [{"type": "http.request", "body": b""}]
    seen = []

    async def receive():
        return messages.pop() if messages else await asyncio.sleep(60)

    async def send(message):
        if message["type"] == "http.response.start":
            seen.extend([message["status"], threading.active_count()])

    headers = [(b"host", b"127.0.0.1:%d"), (b"access-control-request-method", b"POST")]
    request = {"type": "http", "method": "OPTIONS", "path": "/v1/models", "query_string": b"", "headers": headers}
    await application(request, receive, send)
    print(*seen)

asyncio.run(number_of_threads())
"""


def test_a_program_is_answered_without_a_thread_of_its_request(web):
    printed = web.run(NUMBER_OF_THREADS % web.port).splitlines()

    assert printed[-1] == "204 1"
