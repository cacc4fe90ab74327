"""From a request that is understood to its response: whole, or as a stream. The same for every API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import msgspec
from django.http import HttpResponse, StreamingHttpResponse

from api import streams
from api.admission import Admission
from api.answer import Answer
from api.errors import of_inference
from api.running import Run, failure, until_decided
from api.several import Renderers, several_streamed
from api.streams import FALLBACK, Numbered, StreamNote
from inference.types import Event, GenerationRequest, Moved


@dataclass(frozen=True)
class Job:
    """`requests`: one for each answer; `num_prompts`: to so many prompts. `whole`: the response's body from
    the answers."""

    admission: Admission
    requests: Sequence[GenerationRequest]
    note: StreamNote
    renderer: Renderers
    whole: Callable[[list[Answer]], object]
    stream: bool
    outlives: bool = False
    num_prompts: int = 1


async def serve(job: Job) -> HttpResponse | StreamingHttpResponse:
    """Raises ApiError and InferenceError for what shows before there is a response."""
    job.admission.num_open = len(job.requests)
    runs = [Run(request, job.admission, outlives=job.outlives) for request in job.requests]
    try:
        for run in runs:
            await run.start()
        if job.stream:
            return await _streamed(job, runs)
        answers = await _all(runs, job.note)
    except BaseException:
        _close(runs)
        raise
    _close(runs)
    return as_json(job.whole(answers), headers=job.note.headers)


def as_json(
    value: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    body = msgspec.json.encode(value)
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)


async def _streamed(job: Job, runs: list[Run]) -> StreamingHttpResponse:
    if len(runs) > 1:
        per_prompt = len(runs) // job.num_prompts
        return await several_streamed(job.note, runs, job.renderer, per_prompt=per_prompt)
    run = runs[0]
    events = run.events()
    came = await until_decided(events)
    if failed := failure(came):
        raise of_inference(failed.error)
    numbered = Numbered(job.note, job.renderer(job.note, index=0))
    stream = _closing(streams.written(came, events, numbered), run)
    return streams.response(stream, close=run.abandon, headers=_known_headers(came))


def _known_headers(came: list[Event]) -> dict[str, str]:
    """Of a stream, whose headers are written before all is known."""
    reasons = [event.reason for event in came if isinstance(event, Moved)]
    return {FALLBACK: reasons[-1]} if reasons else {}


async def _closing(stream: AsyncIterator[bytes], run: Run) -> AsyncIterator[bytes]:
    try:
        async for part in stream:
            yield part
    finally:
        run.close()


async def _all(runs: list[Run], note: StreamNote) -> list[Answer]:
    """One that breaks off ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(whole_answer(run.events(), note)) for run in runs]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]


async def whole_answer(events: AsyncIterator[Event | None], note: StreamNote) -> Answer:
    """Raises ApiError and InferenceError."""
    reader, answer = note.reader, Answer()
    async for event in events:
        for part in reader.feed(event) if event is not None else ():
            answer.add(part)
    return answer


def _close(runs: list[Run]) -> None:
    for run in runs:
        run.close()
