"""POST /v1/responses, without a memory: every request has the whole conversation."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from api import bodies
from api.callers import Caller
from api.chat import forced_name, template_options
from api.response_rendering import ResponseRenderer, whole_response
from api.response_types import (
    ResponsesRequest,
    messages_of,
    offer_of,
    output_of,
    refuse_unsupported,
)
from api.sampling import sampling_of
from api.serving import Job, serve
from api.streams import StreamNote
from api.targets import Target, new_id, now, target_of
from api.tools import Offer
from inference.limits import check_request
from inference.types import GenerationRequest, SamplingParams


async def responses(request: HttpRequest, caller: Caller) -> HttpResponse | StreamingHttpResponse:
    asked = bodies.read(request, ResponsesRequest)
    refuse_unsupported(asked)
    target = await target_of(request, caller, asked.model, backend=asked.backend)
    return await serve(_job(asked, target))


def _job(asked: ResponsesRequest, target: Target) -> Job:
    if asked.reasoning and asked.reasoning.effort and not asked.reasoning_effort:
        asked.reasoning_effort = asked.reasoning.effort
    offer, answering = offer_of(asked), target.answering
    note = _note(asked, target, offer)
    wanted = GenerationRequest(
        generation_id=note.id,
        model=target.spec,
        messages=messages_of(asked, system_prompt=answering.system_prompt),
        sampling=_sampling(asked, answering.sampling, offer),
        user=target.user,
        tools=offer.tools,
        template_options=template_options(asked),
        request_id=target.admission.request_id,
        note=msgspec.msgpack.encode(note) if asked.stream else b"",
    )
    check_request(wanted)
    return Job(
        admission=target.admission,
        requests=[wanted],
        note=note,
        renderer=ResponseRenderer,
        whole=partial(whole_response, note),
        stream=bool(asked.stream),
        outlives=bool(asked.resumable),
    )


def _note(asked: ResponsesRequest, target: Target, offer: Offer) -> StreamNote:
    return StreamNote(
        kind="responses",
        id=new_id("resp_"),
        user=target.caller.user.pk,
        key=target.key,
        created=now(),
        model=target.name,
        names=target.names,
        forced=forced_name(offer),
        one_call=asked.parallel_tool_calls is False,
        more=_repeated(asked),
    )


def _repeated(asked: ResponsesRequest) -> dict[str, Any]:
    """What a response says of its request."""
    return {
        "instructions": asked.instructions,
        "max_output_tokens": asked.max_output_tokens,
        "metadata": asked.metadata or {},
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "tool_choice": asked.tool_choice if isinstance(asked.tool_choice, str) else "auto",
        "tools": [],
        "truncation": "disabled",
    }


def _sampling(asked: ResponsesRequest, own: SamplingParams, offer: Offer) -> SamplingParams:
    limit = asked.max_output_tokens
    params = sampling_of(
        asked,
        own,
        output=offer.output_or(output_of(asked), "text.format"),
        max_tokens=asked.max_tokens if limit is None else limit,
    )
    return offer.unstopped(params)
