"""One completion: asked of the server, and read to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2

from inference.errors import InvalidRequest, RemoteRefused, RemoteUnreachable
from inference.limits import check_messages, check_prompt, check_sampling, check_tools
from inference.messages import Start
from inference.remote.answer import Answer
from inference.remote.bodies import body_of, check_encoding, check_status
from inference.remote.chunks import chunk_of
from inference.remote.http import network_errors
from inference.remote.requests import body_of as request_of
from inference.remote.requests import path_of
from inference.remote.servers import Kind
from inference.remote.stream import EventReader
from inference.types import Event

# Some servers say nothing at all before the first token, and have long prompts and queues.
HEADERS_SECONDS = 600.0
# For what may follow the end of an answer: how many tokens it had.
REST_SECONDS = 5.0
ERROR_SECONDS = 10.0
DONE = b"[DONE]"


class Completing:
    """`silence_seconds`: an answer that has begun is given up when nothing comes for so long."""

    def __init__(
        self, server: httpx2.AsyncClient, *, model: str, kind: Kind, silence_seconds: float
    ) -> None:
        self._server = server
        self._model = model
        self._kind = kind
        self._silence_seconds = silence_seconds

    async def events(self, start: Start, answer: Answer) -> AsyncIterator[Event]:
        """Raises InvalidRequest, RemoteRefused, RemoteUnreachable. Closed early, it closes the
        connection."""
        _check(start)
        body = request_of(start, model=self._model, kind=self._kind)
        request = self._server.build_request("POST", path_of(start), json=body)
        with network_errors():
            async with asyncio.timeout(HEADERS_SECONDS):
                response = await self._server.send(request, stream=True)
        try:
            if response.status_code != 200:
                check_status(response, await _error_body(response))
            async for event in self._data(response, answer):
                for shown in answer.take(chunk_of(event)):
                    yield shown
                if answer.is_stopped:
                    answer.end()
                    break
        finally:
            await response.aclose()
        for shown in answer.finish():
            yield shown

    async def _data(self, response: httpx2.Response, answer: Answer) -> AsyncIterator[bytes]:
        """Of each event, up to the end of the answer."""
        check_encoding(response)
        reader, parts = EventReader(), response.aiter_raw()
        while (part := await self._next(parts, answer)) is not None:
            for event in reader.feed(part):
                if event.strip() == DONE:
                    answer.end()
                    return
                yield event
        for event in reader.finish():
            if event.strip() != DONE:
                yield event

    async def _next(self, parts: AsyncIterator[bytes], answer: Answer) -> bytes | None:
        """None: there is no more."""
        seconds = REST_SECONDS if answer.is_whole else self._silence_seconds
        try:
            with network_errors():
                async with asyncio.timeout(seconds) as limit:
                    return await anext(parts, None)
        except RemoteUnreachable as error:
            if answer.is_whole:
                return None
            if limit.expired():
                raise _silent(self._silence_seconds) from error
            raise


async def _error_body(response: httpx2.Response) -> bytes:
    """As far as it comes: the status says enough."""
    try:
        async with asyncio.timeout(ERROR_SECONDS):
            return await body_of(response)
    except (TimeoutError, httpx2.HTTPError, RemoteRefused):
        return b""


def _check(start: Start) -> None:
    """Raises InvalidRequest."""
    check_sampling(start.sampling)
    if any(token < 0 for token, _ in start.sampling.logit_bias):
        raise InvalidRequest("“logit_bias” names a token below 0.", field="logit_bias")
    if start.prompt is not None:
        check_prompt(start.prompt)
    else:
        check_messages(start.messages)
        check_tools(start.tools)


def _silent(seconds: float) -> RemoteRefused:
    return RemoteRefused(
        f"The server sent nothing for {seconds:.0f} s in the middle of its answer. The text so far is "
        "kept. Try again."
    )
