"""POST /v1/messages and /v1/messages/count_tokens, as Anthropic's clients know them."""

from __future__ import annotations

import json
from functools import partial

import msgspec
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from api import bodies
from api.anthropic_rendering import MessageRenderer, whole_message
from api.anthropic_types import (
    Countable,
    MessagesRequest,
    messages_of,
    offer_of,
    template_options,
)
from api.callers import Caller
from api.chat import forced_name
from api.errors import unsupported
from api.serving import Job, as_json, serve
from api.streams import StreamNote
from api.targets import Target, new_id, now, target_of
from api.tokens import tokens_of
from api.tools import Offer
from inference.limits import check_request, check_sampling
from inference.types import GenerationRequest, OutputFormat, SamplingParams

SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "seed")


async def messages(request: HttpRequest, caller: Caller) -> HttpResponse | StreamingHttpResponse:
    asked = bodies.read(request, MessagesRequest)
    target = await target_of(request, caller, asked.model, backend=asked.backend)
    return await serve(_job(asked, target))


async def count_tokens(request: HttpRequest, caller: Caller) -> HttpResponse:
    asked = bodies.read(request, Countable)
    target = await target_of(request, caller, asked.model)
    found = await tokens_of(
        target,
        messages=messages_of(asked, system_prompt=target.answering.system_prompt),
        tools=offer_of(asked).tools,
        template_options=template_options(asked),
    )
    return as_json({"input_tokens": found.count})


def _job(asked: MessagesRequest, target: Target) -> Job:
    _refuse_unsupported(asked)
    offer, choice = offer_of(asked), asked.tool_choice
    note = StreamNote(
        kind="messages",
        id=new_id("msg_"),
        user=target.caller.user.pk,
        key=target.key,
        created=now(),
        model=target.name,
        names=target.names,
        forced=forced_name(offer),
        one_call=bool(choice and choice.disable_parallel_tool_use),
    )
    wanted = GenerationRequest(
        generation_id=note.id,
        model=target.spec,
        messages=messages_of(asked, system_prompt=target.answering.system_prompt),
        sampling=_sampling(asked, target.answering.sampling, offer),
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
        renderer=MessageRenderer,
        whole=partial(whole_message, note),
        stream=bool(asked.stream),
        outlives=bool(asked.resumable),
    )


def _refuse_unsupported(asked: MessagesRequest) -> None:
    if asked.mcp_servers:
        raise unsupported(
            "No server of tools is asked from here: call them yourself.", "mcp_servers"
        )
    if asked.messages and asked.messages[-1].role == "assistant":
        raise unsupported(
            "An answer cannot be begun for the model: end with a message of the user.", "messages"
        )


def _sampling(asked: MessagesRequest, own: SamplingParams, offer: Offer) -> SamplingParams:
    said = {name: getattr(asked, name) for name in SAMPLING}
    params = msgspec.structs.replace(
        own,
        **{name: value for name, value in said.items() if value is not None},
        max_tokens=asked.max_tokens,
        stop=tuple(asked.stop_sequences or ()),
        output=offer.output_or(_output(asked), "output_config.format"),
    )
    check_sampling(params)
    return offer.unstopped(params)


def _output(asked: MessagesRequest) -> OutputFormat | None:
    """JSON by a schema."""
    form = asked.output_format or (asked.output_config or {}).get("format")
    if form is None:
        return None
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        raise unsupported("“output_config.format” can be a json_schema only.", "output_config")
    return OutputFormat(json_schema=json.dumps(form.get("schema", {})))
