"""POST /tokenize and /detokenize, as llama.cpp's server knows them; and how long a conversation is."""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse

from api import bodies
from api.callers import Caller
from api.conversation import Message, messages_of
from api.errors import ApiError, invalid, of_inference
from api.running import Run
from api.serving import as_json
from api.targets import Target, new_id, target_of
from inference.limits import check_request
from inference.types import ChatMessage, Failed, Finished, FinishReason, Tokens, TokensRequest, Tool


class TokenizeRequest(msgspec.Struct, kw_only=True):
    """vLLM says `prompt` where llama.cpp says `content`."""

    content: str | None = None
    prompt: str | None = None
    messages: list[Message] | None = None
    model: str = ""
    with_pieces: bool = False


class DetokenizeRequest(msgspec.Struct, kw_only=True):
    tokens: list[int]
    model: str = ""


async def tokenize(request: HttpRequest, caller: Caller) -> HttpResponse:
    asked = bodies.read(request, TokenizeRequest)
    target = await target_of(request, caller, asked.model)
    if asked.messages is not None:
        prompt = target.answering.system_prompt
        found = await tokens_of(target, messages=messages_of(asked.messages, system_prompt=prompt))
        return as_json({"count": found.count, "model": target.name})
    text = asked.prompt if asked.content is None else asked.content
    if text is None:
        raise invalid("Send “content”, the text, or “messages”.", "content")
    found = await tokens_of(target, text=text) if text else Tokens(0)
    tokens: list[Any] = [*found.tokens]
    if asked.with_pieces:
        pairs = zip(found.tokens, found.pieces, strict=True)
        tokens = [{"id": token, "piece": _piece(piece)} for token, piece in pairs]
    return as_json({"tokens": tokens, "count": found.count, "model": target.name})


async def detokenize(request: HttpRequest, caller: Caller) -> HttpResponse:
    asked = bodies.read(request, DetokenizeRequest)
    target = await target_of(request, caller, asked.model)
    if any(not 0 <= token < 2**31 for token in asked.tokens):
        raise invalid("A token is a number from 0 up.", "tokens")
    found = await tokens_of(target, tokens=tuple(asked.tokens)) if asked.tokens else Tokens(0)
    text = b"".join(found.pieces).decode("utf-8", "replace")
    return as_json({"content": text, "prompt": text, "model": target.name})


async def tokens_of(
    target: Target,
    *,
    text: str = "",
    tokens: tuple[int, ...] = (),
    messages: tuple[ChatMessage, ...] = (),
    tools: tuple[Tool, ...] = (),
    template_options: str = "",
) -> Tokens:
    """Of one of the three. Raises ApiError and InferenceError."""
    wanted = TokensRequest(
        generation_id=new_id("tokens-"),
        model=target.entry.spec,
        text=text,
        tokens=tokens,
        messages=messages,
        tools=tools,
        template_options=template_options,
        user=target.user,
        request_id=target.admission.request_id,
    )
    check_request(wanted)
    target.admission.num_open = 0  # to count takes nothing of a quota
    run = Run(wanted, target.admission, counts=False)
    try:
        await run.start()
        return await _told(run)
    finally:
        run.close()


async def _told(run: Run) -> Tokens:
    found = Tokens(0)
    async for event in run.events():
        match event:
            case Tokens():
                found = event
            case Failed(error=error):
                raise of_inference(error)
            case Finished(reason=FinishReason.CANCELLED):
                raise ApiError(499, "This was stopped.", code="cancelled")
    return found


def _piece(piece: bytes) -> str | list[int]:
    """Bytes where they are no text of their own."""
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        return list(piece)
