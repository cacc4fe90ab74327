"""POST /v1/completions: a model goes on from a text as it stands, without a chat template."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from api import bodies
from api.callers import Caller
from api.chat import StreamOptions
from api.completion_rendering import CompletionRenderer, whole_completion
from api.errors import invalid, unsupported
from api.sampling import SamplingFields, sampling_of, seeded
from api.serving import Job, serve
from api.streams import StreamNote
from api.targets import MAX_CHOICES, Target, check_count, new_id, now, target_of
from inference.limits import check_request
from inference.types import GenerationRequest, RawPrompt

# What OpenAI's own API answers with where nothing is said, and what people mean by it.
DEFAULT_MAX_TOKENS = 16


class CompletionRequest(SamplingFields, kw_only=True):
    prompt: str | list[Any]
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    best_of: int | None = None
    echo: bool | None = None
    suffix: str | None = None
    logprobs: int | bool | None = None
    resumable: bool | None = None


async def completions(request: HttpRequest, caller: Caller) -> HttpResponse | StreamingHttpResponse:
    asked = bodies.read(request, CompletionRequest)
    _refuse_unsupported(asked)
    target = await target_of(request, caller, asked.model, backend=asked.backend)
    return await serve(_job(asked, target))


def _job(asked: CompletionRequest, target: Target) -> Job:
    prompts, count = _prompts(asked.prompt), check_count(asked.n)
    if len(prompts) * count > MAX_CHOICES:
        raise invalid(f"{MAX_CHOICES} answers can be had at once.", "prompt")
    note = _note(asked, target, prompts)
    first = _generation(asked, target, note)
    requests = [
        msgspec.structs.replace(
            first,
            generation_id=f"{note.id}-{place * count + number}" if place or number else note.id,
            prompt=prompt,
            sampling=seeded(first.sampling, number),
        )
        for place, prompt in enumerate(prompts)
        for number in range(count)
    ]
    for one in requests:
        check_request(one)
    return Job(
        admission=target.admission,
        requests=requests,
        note=note,
        renderer=CompletionRenderer,
        whole=partial(whole_completion, note, count),
        stream=bool(asked.stream),
        outlives=bool(asked.resumable),
        num_prompts=len(prompts),
    )


def _generation(asked: CompletionRequest, target: Target, note: StreamNote) -> GenerationRequest:
    own = msgspec.structs.replace(target.answering.sampling, max_tokens=DEFAULT_MAX_TOKENS)
    logprobs = int(asked.logprobs or 0) if _wants_logprobs(asked) else None
    return GenerationRequest(
        generation_id=note.id,
        model=target.spec,
        sampling=sampling_of(asked, own, logprobs=logprobs),
        user=target.user,
        request_id=target.admission.request_id,
        note=msgspec.msgpack.encode(note) if asked.stream else b"",
    )


def _note(asked: CompletionRequest, target: Target, prompts: list[RawPrompt]) -> StreamNote:
    options = asked.stream_options
    return StreamNote(
        kind="completions",
        id=new_id("cmpl-"),
        user=target.caller.user.pk,
        key=target.key,
        created=now(),
        model=target.name,
        names=target.names,
        include_usage=bool(options and options.include_usage),
        logprobs=_wants_logprobs(asked),
        more={"echo": prompts[0].text} if asked.echo else {},
    )


def _wants_logprobs(asked: CompletionRequest) -> bool:
    """0 is of the tokens that were chosen alone."""
    return asked.logprobs is not None and asked.logprobs is not False


def _prompts(given: str | list[Any]) -> list[RawPrompt]:
    """A text, texts, tokens, or lists of tokens."""
    if isinstance(given, str):
        return [RawPrompt(given)]
    if given and all(type(one) is int for one in given):
        return [_tokens(given)]
    return [_prompt(one, place) for place, one in enumerate(given)] or [RawPrompt()]


def _prompt(given: Any, place: int) -> RawPrompt:
    if isinstance(given, str):
        return RawPrompt(given)
    if isinstance(given, list) and all(type(one) is int for one in given):
        return _tokens(given)
    raise invalid("A prompt is a text or a list of tokens.", f"prompt[{place}]")


def _tokens(given: list[int]) -> RawPrompt:
    if any(not 0 <= token < 2**31 for token in given):
        raise invalid("A token is a number from 0 up.", "prompt")
    return RawPrompt(tokens=tuple(given))


def _refuse_unsupported(asked: CompletionRequest) -> None:
    if asked.suffix:
        raise unsupported("Filling in before a “suffix” is not there. Leave it out.", "suffix")
    if asked.best_of not in (None, 1) and asked.best_of != asked.n:
        raise unsupported("“best_of” is not there. Ask for “n” answers and choose.", "best_of")
    many = isinstance(asked.prompt, list) and len(_prompts(asked.prompt)) > 1
    is_text = isinstance(asked.prompt, str) or all(isinstance(one, str) for one in asked.prompt)
    if asked.echo and (many or not is_text or _wants_logprobs(asked)):
        raise unsupported("“echo” repeats one text, without “logprobs” of it.", "echo")
