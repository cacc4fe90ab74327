"""Server-sent events: numbered, with comments while nothing comes, read on where they broke off.

An event's id is the stream's id and the event's number. The bytes of a stream follow from the generation's
log and from the note that was stored with it, so any web process writes the same ones.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from django.http import StreamingHttpResponse

from api.answer import AnswerReader, Breaks, Part
from api.callers import Caller
from api.errors import ApiError, of_inference
from inference.errors import InferenceError
from inference.types import Event, Loading, Moved, Queued

KEEP_ALIVE_SECONDS = 10.0
FALLBACK = "Minerva-Fallback"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class StreamNote(msgspec.Struct, kw_only=True):
    """All that the bytes of a stream follow from, besides its log. `forced`, `one_call`: see AnswerReader.
    `more`: the API's own. `model`: who was asked, and who answers once the log says that it is another, for
    the reason in `detour`; `names`: what programs call those others, by their ids."""

    kind: str
    id: str
    user: int
    key: str
    created: int
    model: str
    names: dict[str, str] = {}
    detour: str = ""
    forced: str | None = None
    one_call: bool = False
    include_usage: bool = False
    logprobs: bool = False
    more: dict[str, Any] = {}

    @property
    def reader(self) -> AnswerReader:
        return AnswerReader(forced=self.forced, one_call=self.one_call, on_move=self.move)

    def move(self, event: Moved) -> None:
        self.model = self.names.get(event.model_id, event.name)
        self.detour = event.reason

    @property
    def headers(self) -> dict[str, str]:
        return {FALLBACK: self.detour} if self.detour else {}

    def belongs_to(self, caller: Caller) -> bool:
        key = str(caller.key.pk) if caller.key else ""
        return self.user == caller.user.pk and self.key == key


class Renderer(Protocol):
    def render(self, part: Part) -> Iterable[bytes]:
        """Events, each whole but for its id."""
        ...


class Numbered:
    """`after`: so many events the reader has already."""

    def __init__(self, note: StreamNote, renderer: Renderer, *, after: int = 0) -> None:
        self._reader = note.reader
        self._renderer = renderer
        self._prefix = f"id: {note.id}:".encode()
        self._after = after
        self._number = 0

    @property
    def has_begun(self) -> bool:
        """An event was written."""
        return self._number > self._after

    def feed(self, event: Event) -> bytes:
        return b"".join(self._written(self._reader.feed(event)))

    def broken(self, error: ApiError) -> bytes:
        return b"".join(self._written([Breaks(error)]))

    def _written(self, parts: Iterable[Part]) -> Iterator[bytes]:
        for part in parts:
            for event in self._renderer.render(part):
                self._number += 1
                if self._number > self._after:
                    yield b"%s%d\n%s" % (self._prefix, self._number, event)


def data(value: object, *, name: str = "") -> bytes:
    """One event, without its id."""
    head = f"event: {name}\n".encode() if name else b""
    return b"%sdata: %s\n\n" % (head, msgspec.json.encode(value))


def comment(event: Event | None) -> bytes:
    """One line of what is waited for, for people who look; clients skip it."""
    match event:
        case Queued(position=position, expected_seconds=seconds):
            about = "" if seconds is None else f", about {seconds:.0f} s"
            return f": queued {position}{about}\n".encode()
        case Loading(fraction=fraction):
            return b": loading %d %%\n" % round(100 * fraction)
        case Moved(name=name, reason=reason):
            return f": moved to {name}: {reason}\n".encode()
    return b": keep-alive\n"


async def written(
    came: Sequence[Event], events: AsyncIterator[Event | None], numbered: Numbered
) -> AsyncIterator[bytes]:
    """The stream's bytes, up to its end or to what broke it off."""
    for told in [event for event in came if isinstance(event, Moved)] + list(came[-1:]):
        if isinstance(told, Queued | Loading | Moved):
            yield comment(told) + _gap(numbered)
    for event in came:
        if part := numbered.feed(event):
            yield part
    spoke_at = time.monotonic()
    try:
        async for news in events:
            part = numbered.feed(news) if news is not None else b""
            if not part and _is_due(news, spoke_at):
                part = comment(news) + _gap(numbered)
            if part:
                spoke_at = time.monotonic()
                yield part
    except ApiError as error:
        yield numbered.broken(error)
    except InferenceError as error:
        yield numbered.broken(of_inference(error.info))


def _gap(numbered: Numbered) -> bytes:
    """Behind a comment. OpenAI's client remembers the id of the last event, and a blank line that follows one
    is an empty event to it, on which it fails."""
    return b"" if numbered.has_begun else b"\n"


def response(
    stream: AsyncIterator[bytes],
    *,
    close: Callable[[], None],
    headers: Mapping[str, str] | None = None,
) -> StreamingHttpResponse:
    """`close` is called even if nobody reads it, and from any thread."""
    all_headers = HEADERS | dict(headers or {})
    answer = StreamingHttpResponse(stream, content_type="text/event-stream", headers=all_headers)
    answer._resource_closers.append(close)  # type: ignore[attr-defined]
    return answer


def _is_due(news: Event | None, spoke_at: float) -> bool:
    is_progress = isinstance(news, Queued | Loading | Moved)
    return is_progress or time.monotonic() - spoke_at >= KEEP_ALIVE_SECONDS
