"""Streams read on where they broke off: GET /v1/streams/ID?after=N, or the request again with Last-Event-ID."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import msgspec
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from accounts.key_models import Scope
from api import lingering, revocation, streams
from api.anthropic_rendering import MessageRenderer
from api.callers import Caller
from api.chat_rendering import ChatRenderer
from api.completion_rendering import CompletionRenderer
from api.endpoints import Handler
from api.errors import ApiError, invalid
from api.response_rendering import ResponseRenderer
from api.several import Renderers
from api.streams import Numbered, StreamNote
from inference.errors import GenerationNotFound
from inference.types import Event
from models_app import engine

HEADER = "Last-Event-ID"
RENDERERS: dict[str, Renderers] = {
    "chat": ChatRenderer,
    "completions": CompletionRenderer,
    "messages": MessageRenderer,
    "responses": ResponseRenderer,
}


async def read_stream(
    request: HttpRequest, caller: Caller, stream_id: str
) -> StreamingHttpResponse:
    of, _, number = request.headers.get(HEADER, "").rpartition(":")
    if of not in ("", stream_id):
        raise invalid(f"“{HEADER}” names an event of another stream.", "after")
    after = request.GET.get("after", "") or number or "0"
    return await resumed(caller, stream_id, after)


def resumable(handler: Handler) -> Handler:
    """A request that names the last event it got is read on in place of being begun again."""

    async def begun_or_resumed(request: HttpRequest, caller: Caller) -> HttpResponseBase:
        last = request.headers.get(HEADER, "")
        if not last:
            return await handler(request, caller)
        stream_id, _, after = last.rpartition(":")
        return await resumed(caller, stream_id, after)

    return begun_or_resumed


async def resumed(caller: Caller, stream_id: str, after: str) -> StreamingHttpResponse:
    """Raises 400, and 404 for a stream that is over for long, or another's."""
    caller.require(Scope.GENERATE)
    if not (after.isascii() and after.isdigit() and len(after) < 10):
        raise invalid("“after” is the number of the last event that came.", "after")
    note = await _note(caller, stream_id)
    numbered = Numbered(note, RENDERERS[note.kind](note, index=0), after=int(after))
    return streams.response(
        streams.written((), _events(caller, note), numbered), close=lambda: None
    )


async def _events(caller: Caller, note: StreamNote) -> AsyncIterator[Event | None]:
    watched = revocation.watch(note.id, caller)
    try:
        with lingering.reading(note.id):
            async for logged in lingering.watched(note.id):
                revocation.check(watched)
                yield None if logged is None else logged.event
    finally:
        revocation.unwatch(watched)


async def _note(caller: Caller, stream_id: str) -> StreamNote:
    raw = b""
    with contextlib.suppress(GenerationNotFound):
        raw = await engine.inference_client().recall(stream_id)
    note = msgspec.msgpack.decode(raw, type=StreamNote) if raw else None
    if note is None or not note.belongs_to(caller):
        raise ApiError(
            404, "There is no such stream, or it is over for long.", code="stream_not_found"
        )
    return note
