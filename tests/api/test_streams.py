"""What clients make of the bytes of a stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from openai._streaming import SSEDecoder
from openai.types.responses import ResponseErrorEvent, ResponseFailedEvent

from api import streams
from api.answer import Begins, Breaks, Part, Said
from api.chat_rendering import ChatRenderer
from api.errors import ApiError
from api.response_rendering import ResponseRenderer
from api.streams import Numbered, StreamNote, written
from inference.types import (
    Delta,
    Event,
    Finished,
    FinishReason,
    Loading,
    Moved,
    Prefill,
    Queued,
    Timings,
    Usage,
)

MORE = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
TIMINGS = Timings(time_to_first_token=0.1, decode=0.1, total=0.2)
END = Finished(FinishReason.STOP, Usage(prompt_tokens=1, completion_tokens=1), TIMINGS)
NOTE = StreamNote(kind="x", id="s", user=1, key="", created=0, model="m", more=MORE)


async def test_comments_are_no_events_for_openais_client(monkeypatch):
    monkeypatch.setattr(streams, "KEEP_ALIVE_SECONDS", 0)
    loading, moved = Loading(fraction=0.4), Moved(model_id="1", name="other", reason="because")

    async def events() -> AsyncIterator[Event | None]:
        for event in (
            None,
            Prefill(1, 2),
            None,
            loading,
            None,
            Delta("Owls ", 1),
            None,
            END,
        ):
            yield event

    numbered = Numbered(NOTE, ChatRenderer(NOTE))
    came: list[Event] = [Queued(position=2, expected_seconds=3.0), moved]
    parts = [part async for part in written(came, events(), numbered)]

    whole = b"".join(parts)
    assert whole.startswith(b": moved to other: because\n\n")
    assert whole.count(b": keep-alive\n") == 4
    *told, end = [one.data for one in SSEDecoder().iter_bytes(iter([whole]))]
    assert end == "[DONE]"
    assert all(json.loads(one)["choices"] for one in told)


def test_a_response_that_breaks_off_says_so_in_events_that_its_client_knows():
    error = ApiError(503, "It is gone.", code="model_unloaded", facts={"queue_length": 2})
    renderer = ResponseRenderer(NOTE)
    parts: list[Part] = [Begins(), Said("Owls "), Breaks(error)]
    events = [event for part in parts for event in renderer.render(part)]
    *_, broken, failed = [json.loads(event.split(b"data: ")[1]) for event in events]

    told = ResponseErrorEvent.model_validate(broken)
    assert (told.type, told.code, told.message) == ("error", "model_unloaded", "It is gone.")
    end = ResponseFailedEvent.model_validate(
        failed | {"response": failed["response"] | {"error": None}}
    )
    assert (end.type, end.response.status) == ("response.failed", "failed")
    assert failed["response"]["error"]["message"] == "It is gone."
    assert [broken["sequence_number"], failed["sequence_number"]] == [
        len(events) - 2,
        len(events) - 1,
    ]
