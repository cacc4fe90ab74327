"""A server on the loopback that speaks OpenAI's API, and misbehaves as it is told to.

`answer` is what the next requests for a completion get: a function that is given the handler, the body
read. Without one it streams `text`, a word a chunk, as an honest one does.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_: EvilServer

    def do_GET(self) -> None:
        self._note({})
        if self.server_.models_answer is not None:
            self._safely(self.server_.models_answer)
        else:
            self.send_json({"object": "list", "data": self.server_.models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._note(body)
        self.body = body
        self._safely(self.server_.answer or say)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _note(self, body: dict[str, Any]) -> None:
        with self.server_.lock:
            self.server_.requests.append((self.path, dict(self.headers), body))

    def _safely(self, answer: Answer) -> None:
        try:
            answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.server_.was_left.set()
            self.close_connection = True

    # -- what answers are made of ---------------------------------------------------------------

    def send_json(self, value: object, *, status: int = 200, **headers: str) -> None:
        self.send_body(json.dumps(value).encode(), status=status, **headers)

    def send_body(
        self, body: bytes, *, status: int = 200, type: str = "application/json", **headers: str
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": type, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin(self, *, type: str = "text/event-stream", **headers: str) -> None:
        """A stream in chunks, ended by `end`."""
        self.send_response(200)
        for name, value in {"Content-Type": type, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def write(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def event(self, value: object) -> None:
        self.write(b"data: " + json.dumps(value).encode() + b"\n\n")

    def piece(self, text: str | None = None, reason: str | None = None, **delta: Any) -> None:
        said = {"content": text, **delta} if text is not None else delta
        self.event({"choices": [{"index": 0, "delta": said, "finish_reason": reason}]})

    def end(self, *, done: bool = True) -> None:
        if done:
            self.write(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """As when the server is killed: a reset instead of an end."""
        self.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()

    def wait(self) -> None:
        """Until the other side has left, or the test is over."""
        self.connection.settimeout(60)
        if not self.connection.recv(1):
            self.server_.was_left.set()


def say(handler: Handler) -> None:
    handler.begin()
    handler.piece("", role="assistant")
    for word in handler.server_.text.split(" "):
        handler.piece(f"{word} ")
    handler.piece(reason="stop")
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    handler.event({"choices": [], "usage": usage})
    handler.end()


class EvilServer:
    def __init__(self) -> None:
        self.models: list[Any] = [{"id": "owl", "object": "model", "owned_by": "somebody"}]
        self.text = "Owls see well."
        self.answer: Answer | None = None
        self.models_answer: Answer | None = None
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.was_left = threading.Event()
        self.lock = threading.Lock()
        handler = type("HandlerOfThis", (Handler,), {"server_": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, _, body in self.requests if body]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def evil_server() -> Iterator[EvilServer]:
    server = EvilServer()
    try:
        yield server
    finally:
        server.close()
