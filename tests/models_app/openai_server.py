"""A server that speaks OpenAI's API, on loopback: the network's side of a test, with faults on demand."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class OpenAIServer:
    """From `start` to `stop`; started again, it has the port that it had. `base`: where its API is.
    `key` "": it wants none. `answers`: what GET of the list is answered with instead, as status and body.
    An answer has its words one by one; from the word with the number `holds_at` on it waits to be `released`."""

    def __init__(self, *models: str, key: str = "", base: str = "/v1") -> None:
        self.models = [{"id": name, "object": "model", "max_model_len": 4096} for name in models]
        self.key, self.base = key, base
        self.words = ["Hello", " from", " the", " attic."]
        self.answers: tuple[int, bytes] | None = None
        self.holds_at: int | None = None
        self.released = threading.Event()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.keys: list[str] = []
        self._port = 0
        self._server: _Server | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def address(self) -> str:
        return self.origin + self.base

    def start(self) -> OpenAIServer:
        self.released.clear()
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.told = self
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """With the connections that are open, as a kill would do it."""
        if self._server is not None:
            self._server.shutdown()
            self._server.close_all()
            self._server.server_close()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    told: OpenAIServer

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def close_all(self) -> None:
        for one in self._open:
            with suppress(OSError):  # it was closed already
                one.shutdown(socket.SHUT_RDWR)
        self.told.released.set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was cut is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        told = self.server.told
        if not self._is_let_in():
            return
        if self.path != f"{told.base}/models":
            self._say(404, b'{"detail": "Not Found"}')
        elif told.answers:
            self._say(*told.answers)
        else:
            self._say(200, json.dumps({"object": "list", "data": told.models}).encode())

    def do_POST(self) -> None:
        told = self.server.told
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        told.requests.append((self.path, body))
        if not self._is_let_in():
            return
        if self.path != f"{told.base}/chat/completions":
            self._say(404, b'{"detail": "Not Found"}')
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for number, word in enumerate(told.words):
            if number == told.holds_at:
                told.released.wait(60)
            self._send({"delta": {"content": word}, "index": 0, "finish_reason": None})
        self._send({"delta": {}, "index": 0, "finish_reason": "stop"}, usage=len(told.words))
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, choice: dict[str, Any], usage: int | None = None) -> None:
        chunk: dict[str, Any] = {"id": "x", "object": "chat.completion.chunk", "choices": [choice]}
        if usage:
            chunk["usage"] = {"prompt_tokens": 7, "completion_tokens": usage}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def _is_let_in(self) -> bool:
        told = self.server.told
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        told.keys.append(given)
        if told.key and given != told.key:
            self._say(401, b'{"error": {"message": "Incorrect API key provided."}}')
            return False
        return True

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""
