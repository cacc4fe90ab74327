"""POST /v1/chat/completions."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from api import bodies
from api.callers import Caller
from api.chat_rendering import ChatRenderer, whole_chat
from api.conversation import Message, messages_of
from api.errors import invalid, unsupported
from api.sampling import SamplingFields, sampling_of, seeded
from api.serving import Job, serve
from api.streams import StreamNote
from api.targets import Target, check_count, new_id, now, target_of
from api.tools import Choice, GivenTool, NamedTool, Offer, offer_of
from inference.limits import check_request
from inference.types import GenerationRequest, OutputFormat, SamplingParams

# Little thinking is as good as none for templates that know only whether to.
NO_THINKING = ("none", "minimal")


class StreamOptions(msgspec.Struct, kw_only=True):
    include_usage: bool | None = None


class JsonSchema(msgspec.Struct, kw_only=True):
    name: str = ""
    schema: msgspec.Raw = msgspec.field(default_factory=bodies.left_out)


class ResponseFormat(msgspec.Struct, kw_only=True):
    type: str
    json_schema: JsonSchema | None = None
    schema: msgspec.Raw = msgspec.field(default_factory=bodies.left_out)


class ThinkingFields(SamplingFields, kw_only=True):
    """Whether and how much a model thinks first, as far as its chat template knows."""

    reasoning_effort: str | None = None
    think: bool | str | None = None
    chat_template_kwargs: msgspec.Raw = msgspec.field(default_factory=bodies.left_out)


class ChatRequest(ThinkingFields, kw_only=True):
    messages: list[Message]
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None
    tools: list[GivenTool] | None = None
    tool_choice: Choice | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    resumable: bool | None = None
    # Known, and not there: see `_refuse_unsupported`.
    functions: Any = None
    function_call: Any = None
    modalities: list[str] | None = None
    audio: Any = None
    web_search_options: Any = None
    verbosity: str | None = None


async def chat_completions(
    request: HttpRequest, caller: Caller
) -> HttpResponse | StreamingHttpResponse:
    asked = bodies.read(request, ChatRequest)
    _refuse_unsupported(asked)
    target = await target_of(request, caller, asked.model, backend=asked.backend)
    return await serve(job_of(asked, target))


def job_of(asked: ChatRequest, target: Target) -> Job:
    """Raises ApiError and InvalidRequest for all that can be seen without the model."""
    offer = offer_of(asked.tools, asked.tool_choice)
    note = _note(asked, target, offer)
    first = _generation(asked, target, offer, note)
    check_request(first)
    requests = [
        msgspec.structs.replace(
            first,
            generation_id=f"{note.id}-{number}" if number else note.id,
            sampling=seeded(first.sampling, number),
        )
        for number in range(check_count(asked.n))
    ]
    return Job(
        admission=target.admission,
        requests=requests,
        note=note,
        renderer=ChatRenderer,
        whole=partial(whole_chat, note),
        stream=bool(asked.stream),
        outlives=bool(asked.resumable),
    )


def template_options(fields: ThinkingFields) -> str:
    """The text of a JSON object for the chat template; "" for none."""
    options: dict[str, Any] = {}
    if fields.reasoning_effort is not None:
        options["reasoning_effort"] = fields.reasoning_effort
        options["enable_thinking"] = fields.reasoning_effort not in NO_THINKING
    if fields.think is not None:
        options["enable_thinking"] = bool(fields.think)
    given = bodies.text_of(fields.chat_template_kwargs)
    if given and not given.startswith("{"):
        raise unsupported("“chat_template_kwargs” must be a JSON object.", "chat_template_kwargs")
    try:
        options |= json.loads(given) if given else {}
    except (ValueError, RecursionError) as error:
        raise invalid("“chat_template_kwargs” cannot be read.", "chat_template_kwargs") from error
    return json.dumps(options) if options else ""


def _generation(
    asked: ChatRequest, target: Target, offer: Offer, note: StreamNote
) -> GenerationRequest:
    answering = target.answering
    return GenerationRequest(
        generation_id=note.id,
        model=target.spec,
        messages=messages_of(asked.messages, system_prompt=answering.system_prompt),
        sampling=_sampling(asked, answering.sampling, offer),
        user=target.user,
        tools=offer.tools,
        template_options=template_options(asked),
        request_id=target.admission.request_id,
        note=msgspec.msgpack.encode(note) if asked.stream else b"",
    )


def _note(asked: ChatRequest, target: Target, offer: Offer) -> StreamNote:
    options = asked.stream_options
    return StreamNote(
        kind="chat",
        id=new_id("chatcmpl-"),
        user=target.caller.user.pk,
        key=target.key,
        created=now(),
        model=target.name,
        names=target.names,
        forced=forced_name(offer),
        one_call=asked.parallel_tool_calls is False,
        include_usage=bool(options and options.include_usage),
        logprobs=bool(asked.logprobs),
    )


def forced_name(offer: Offer) -> str | None:
    """See AnswerReader."""
    if not offer.forced:
        return None
    return offer.forced[0] if len(offer.forced) == 1 else ""


def _sampling(asked: ChatRequest, own: SamplingParams, offer: Offer) -> SamplingParams:
    more: dict[str, Any] = {"max_tokens": asked.max_completion_tokens or asked.max_tokens}
    if asked.max_completion_tokens is not None:
        more["max_tokens"] = asked.max_completion_tokens
    if asked.logprobs or asked.top_logprobs is not None:
        if not asked.logprobs:
            raise unsupported("“top_logprobs” needs “logprobs”: true.", "top_logprobs")
        more["logprobs"] = asked.top_logprobs or 0
    output = offer.output_or(output_of(asked.response_format), "response_format")
    return offer.unstopped(sampling_of(asked, own, output=output, **more))


def output_of(form: ResponseFormat | None) -> OutputFormat | None:
    """JSON mode, and JSON by a schema."""
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return OutputFormat(json_schema=bodies.text_of(form.schema) or '{"type":"object"}')
    if form.type == "json_schema":
        schema = form.json_schema and bodies.text_of(form.json_schema.schema)
        return OutputFormat(json_schema=schema or bodies.text_of(form.schema) or "{}")
    raise unsupported(
        f"“response_format” can be text, json_object or json_schema, not “{form.type[:40]}”.",
        "response_format.type",
    )


def _refuse_unsupported(asked: ChatRequest) -> None:
    if asked.functions or asked.function_call:
        raise unsupported("“functions” are called “tools” now.", "functions")
    if asked.audio or any(kind != "text" for kind in asked.modalities or ()):
        raise unsupported("Answers are text only.", "modalities")
    if asked.web_search_options is not None:
        raise unsupported("There is no web search here.", "web_search_options")
    if asked.verbosity not in (None, "medium"):
        raise unsupported("How much is said cannot be set; say it in the prompt.", "verbosity")
