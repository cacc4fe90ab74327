"""What clients make of the bytes of a stream."""

from __future__ import annotations

import json

import pytest
from openai._streaming import SSEDecoder
from openai.types.responses import ResponseErrorEvent, ResponseFailedEvent

from api.answer import Begins, Breaks, Part, Said
from api.errors import ApiError
from api.response_rendering import ResponseRenderer
from api.streams import StreamNote, comment, data
from inference.types import Event, Loading, Moved, Queued

MORE = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
NOTE = StreamNote(kind="x", id="s", user=1, key="", created=0, model="m", more=MORE)


@pytest.mark.parametrize(
    "event",
    [
        None,
        Queued(position=2, expected_seconds=3.0),
        Loading(fraction=0.4),
        Moved(model_id="1", name="other", reason="because"),
    ],
)
def test_a_comment_between_two_events_is_no_event_for_openais_client(event: Event | None):
    stream = b"id: s:1\n" + data({"x": 1}) + comment(event) * 2 + b"id: s:2\n" + data({"x": 2})

    assert [one.data for one in SSEDecoder().iter_bytes(iter([stream]))] == ['{"x":1}', '{"x":2}']


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
