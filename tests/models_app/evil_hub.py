"""A hub on the loopback that serves made files as the real one does, and misbehaves when it is told to.

It speaks the endpoints that Minerva uses: search, repository, resolve with a redirect to a second
server, the "CDN". `faults` are taken one a request of a file's bytes; without one it behaves.
"""

from __future__ import annotations

import hashlib
import json
import random
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"
PIECE = 64 * 1024

Fault = Callable[["Answer"], None]


@dataclass
class Made:
    """A repository. `checksums`: other ones than the files' own; `in_git`: files that git itself keeps."""

    files: dict[str, bytes]
    gated: bool = False
    license: str = "apache-2.0"
    checksums: dict[str, str] = field(default_factory=dict)
    in_git: tuple[str, ...] = ()
    gguf: dict[str, Any] | None = field(default_factory=lambda: {"total": 1_000_000_000})
    safetensors: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    tags: tuple[str, ...] = ("gguf",)
    task: str = "text-generation"
    downloads: int = 1234
    likes: int = 56
    trending: int = 0
    created: str = "2026-10-01T00:00:00.000Z"

    def passes(self, name: str, query: dict[str, list[str]]) -> bool:
        """As the hub filters: words, tag, task and parameters."""
        size = (self.gguf or {}).get("total", 0)
        bounds = dict(
            one.split(":") for one in query.get("num_parameters", [""])[0].split(",") if one
        )
        return (
            " ".join(query.get("search", [""])).lower() in name.lower()
            and set(query.get("filter", [])) <= {*self.tags, f"license:{self.license}"}
            and query.get("pipeline_tag", [self.task]) == [self.task]
            and int(bounds.get("min", 0)) <= size <= int(bounds.get("max", 2**60))
        )

    def facts(self, name: str, *, blobs: bool) -> dict[str, Any]:
        facts = {
            "id": name,
            "sha": REVISION,
            "downloads": self.downloads,
            "likes": self.likes,
            "trendingScore": self.trending,
            "createdAt": self.created,
            "lastModified": "2026-11-01T00:00:00.000Z",
            "gated": "manual" if self.gated else False,
            "pipeline_tag": self.task,
            "tags": [*self.tags, f"license:{self.license}"],
            "gguf": self.gguf,
            "safetensors": self.safetensors,
            "config": self.config,
            "cardData": {"license": self.license},
        }
        siblings = [self._sibling(one, data) for one, data in self.files.items()]
        return facts | ({"siblings": siblings} if blobs else {})

    def _sibling(self, name: str, data: bytes) -> dict[str, Any]:
        if name in self.in_git:
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            return {"rfilename": name, "size": len(data), "blobId": self.checksums.get(name, blob)}
        sha256 = self.checksums.get(name) or hashlib.sha256(data).hexdigest()
        return {
            "rfilename": name,
            "size": len(data),
            "lfs": {"sha256": sha256, "size": len(data), "pointerSize": 134},
        }


@dataclass
class Answer:
    """One answer with bytes of a file, which a fault may change before it is sent."""

    data: bytes
    start: int
    range_wanted: bool
    handler: Handler
    stop: int | None = None
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_at: int | None = None
    seconds_a_piece: float = 0.0
    piece: int = PIECE

    def prepare(self) -> None:
        self.status = 206 if self.range_wanted else 200
        self.body = self.data[self.start : self.stop]
        self.headers = {"Content-Length": str(len(self.body)), "ETag": f'"{len(self.data)}"'}
        if self.range_wanted:
            end = self.start + len(self.body) - 1
            self.headers["Content-Range"] = f"bytes {self.start}-{end}/{len(self.data)}"

    def send(self) -> None:
        handler = self.handler
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        whole = len(self.body) if self.cut_at is None else min(self.cut_at, len(self.body))
        for start in range(0, whole, self.piece):
            handler.wfile.write(self.body[start : min(start + self.piece, whole)])
            handler.wfile.flush()
            handler.server.sent += min(self.piece, whole - start)  # type: ignore[attr-defined]
            time.sleep(self.seconds_a_piece)
        if self.cut_at is not None:
            handler.cut()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: EvilHub

    def do_GET(self) -> None:
        with self.hub.lock:
            self.hub.requests.append((self.command, self.path, dict(self.headers)))
        try:
            self._answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def cut(self) -> None:
        """As a cable that is pulled: a reset instead of an end, a moment after the last bytes."""
        time.sleep(0.005)
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    def send_json(self, value: object, *, status: int = 200) -> None:
        self.send_bytes(json.dumps(value).encode(), status=status)

    def send_bytes(self, body: bytes, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        if path.startswith("/api/models"):
            self._answer_api(path.removeprefix("/api/models").strip("/"), parse_qs(parts.query))
        elif path.startswith("/cdn/"):
            self._answer_bytes(path.removeprefix("/cdn/"))
        else:
            self._redirect(path)

    def _answer_api(self, name: str, query: dict[str, list[str]]) -> None:
        if self.hub.api_answer is not None:
            self.hub.api_answer(self)
        elif not name:
            found = [
                made.facts(one, blobs=False)
                for one, made in self.hub.made.items()
                if made.passes(one, query)
            ]
            found.sort(key=lambda facts: facts[query["sort"][0]], reverse=True)
            self.send_json(found[: int(query["limit"][0])])
        else:
            name = name.split("/revision/")[0]
            made = self.hub.made.get(name)
            if made is None:
                self.send_bytes(b"{}", status=401, X_Error_Code="RepoNotFound")
            else:
                self.send_json(made.facts(name, blobs=True))

    def _redirect(self, path: str) -> None:
        owner, name, _, _, file = path.strip("/").split("/", 4)
        made = self.hub.made.get(f"{owner}/{name}")
        if made is None or file not in made.files:
            self.send_bytes(b"", status=404, X_Error_Code="EntryNotFound")
        elif made.gated and "Authorization" not in self.headers:
            self.send_bytes(b"", status=403, X_Error_Code="GatedRepo")
        else:
            target = f"{self.hub.cdn_address}/cdn/{owner}/{name}/{file}"
            self.send_bytes(b"", status=302, Location=self.hub.location or target)

    def _answer_bytes(self, path: str) -> None:
        owner, name, file = path.split("/", 2)
        wanted = self.headers.get("Range", "")
        data = self.hub.made[f"{owner}/{name}"].files[file]
        start, _, last = wanted.removeprefix("bytes=").partition("-")
        stop = int(last) + 1 if last else None
        answer = Answer(data, int(start or 0), bool(wanted), self, stop)
        answer.prepare()
        self.hub.change(answer)
        answer.send()


class EvilHub:
    def __init__(self) -> None:
        self.made: dict[str, Made] = {}
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.api_answer: Callable[[Handler], None] | None = None
        self.location = ""
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.lock = threading.Lock()
        handler = type("HandlerOfThis", (Handler,), {"hub": self})
        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        for server in self._servers:
            server.daemon_threads = True
            server.sent = 0  # type: ignore[attr-defined]
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.address, self.cdn_address = (
            f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers
        )

    @property
    def bytes_sent(self) -> int:
        return sum(server.sent for server in self._servers)  # type: ignore[attr-defined]

    def add(self, name: str, files: dict[str, bytes], **facts: Any) -> Made:
        self.made[name] = Made(files, **facts)
        return self.made[name]

    def change(self, answer: Answer) -> None:
        with self.lock:
            fault = self.faults.popleft() if self.faults else self.always
        if fault is not None:
            fault(answer)

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


@contextmanager
def evil_hub() -> Iterator[EvilHub]:
    hub = EvilHub()
    try:
        yield hub
    finally:
        hub.close()


# -- faults ------------------------------------------------------------------------------------------


def cut(at: int) -> Fault:
    def fault(answer: Answer) -> None:
        answer.cut_at = at

    return fault


def whole_instead_of_a_range(answer: Answer) -> None:
    answer.range_wanted, answer.start, answer.stop = False, 0, None
    answer.prepare()


def wrong_range(answer: Answer) -> None:
    if answer.range_wanted:
        answer.headers["Content-Range"] = (
            f"bytes {answer.start + 1}-{len(answer.data) - 1}/{len(answer.data)}"
        )


def no_range(answer: Answer) -> None:
    answer.headers.pop("Content-Range", None)


def other_total(answer: Answer) -> None:
    total = len(answer.data) + 5
    answer.headers["Content-Range"] = f"bytes {answer.start}-{total - 1}/{total}"
    if not answer.range_wanted:
        answer.headers["Content-Length"] = str(len(answer.body) + 5)
        answer.body += b"extra"


def longer(answer: Answer) -> None:
    """Without a length, so that only the bytes tell."""
    answer.headers.pop("Content-Length")
    answer.headers["Connection"] = "close"
    answer.handler.close_connection = True
    answer.body += b"and more"


def shorter(answer: Answer) -> None:
    answer.headers.pop("Content-Length")
    answer.headers["Connection"] = "close"
    answer.handler.close_connection = True
    answer.body = answer.body[: len(answer.body) // 2]


def other_bytes(answer: Answer) -> None:
    answer.body = bytes(byte ^ 0xFF for byte in answer.body[:100]) + answer.body[100:]


def packed(answer: Answer) -> None:
    answer.headers["Content-Encoding"] = "gzip"


def broken(answer: Answer) -> None:
    answer.status = 500
    answer.body = b"out of order"
    answer.headers = {"Content-Length": str(len(answer.body))}


def too_many(answer: Answer) -> None:
    broken(answer)
    answer.status = 429


def gone(answer: Answer) -> None:
    broken(answer)
    answer.status = 404


def not_satisfiable(answer: Answer) -> None:
    broken(answer)
    answer.status = 416


def slow(seconds: float, *, piece: int = PIECE) -> Fault:
    def fault(answer: Answer) -> None:
        answer.seconds_a_piece = seconds
        answer.piece = piece

    return fault


ANY: tuple[Fault, ...] = (
    whole_instead_of_a_range,
    wrong_range,
    no_range,
    other_total,
    longer,
    shorter,
    other_bytes,
    packed,
    broken,
    too_many,
    gone,
    not_satisfiable,
)


def random_fault(generator: random.Random, size: int) -> Fault:
    """A cut half of the time, as it happens most."""
    return generator.choice([cut(generator.randrange(size))] * len(ANY) + list(ANY))
