"""Several answers in one stream. It has no ids: how they mix is nobody's to repeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

from django.http import StreamingHttpResponse

from api import streams
from api.answer import Breaks, Ends, Part, total_of_prompts
from api.errors import ApiError, of_inference
from api.running import Run, failure, until_decided
from api.streams import Renderer, StreamNote
from inference.errors import InferenceError
from inference.types import Event, Usage

MAX_AHEAD = 256


class OneOfSeveral(Renderer, Protocol):
    """Writes its own end, and one of them what follows the ends of all."""

    def ending(self, end: Ends) -> bytes: ...

    def closing(self, used: Usage) -> Iterable[bytes]: ...


class Renderers(Protocol):
    def __call__(self, note: StreamNote, *, index: int) -> OneOfSeveral: ...


@dataclass(frozen=True)
class Opened:
    run: Run
    events: AsyncIterator[Event | None]
    came: list[Event]


async def several_streamed(
    note: StreamNote, runs: list[Run], renderers: Renderers, *, per_prompt: int
) -> StreamingHttpResponse:
    """`per_prompt`: answers to each prompt. Raises the error of the one that failed at once."""
    events = [run.events() for run in runs]
    came = await asyncio.gather(*(until_decided(one) for one in events))
    for beginning in came:
        if failed := failure(beginning):
            raise of_inference(failed.error)
    opened = [Opened(*one) for one in zip(runs, events, came, strict=True)]

    def close() -> None:
        for run in runs:
            run.abandon()

    return streams.response(_mixed(note, opened, renderers, per_prompt), close=close)


async def _mixed(
    note: StreamNote, opened: list[Opened], make: Renderers, per_prompt: int
) -> AsyncIterator[bytes]:
    queue: asyncio.Queue[tuple[int, Part]] = asyncio.Queue(MAX_AHEAD)
    tasks = [
        asyncio.create_task(_read(one, index, note, queue)) for index, one in enumerate(opened)
    ]
    renderers = [make(note, index=index) for index in range(len(opened))]
    usages: dict[int, Usage] = {}
    try:
        while len(usages) < len(opened):
            try:
                async with asyncio.timeout(streams.KEEP_ALIVE_SECONDS):
                    index, part = await queue.get()
            except TimeoutError:
                yield streams.comment(None) + b"\n"  # there are no ids: see `streams`
                continue
            if isinstance(part, Ends):
                usages[index] = part.usage
                yield renderers[index].ending(part)
            elif written := b"".join(renderers[index].render(part)):
                yield written
            if isinstance(part, Breaks):
                return
        in_order = [usages[index] for index in sorted(usages)]
        used = total_of_prompts(in_order, per_prompt=per_prompt)
        yield b"".join(renderers[0].closing(used))
    finally:
        for task, one in zip(tasks, opened, strict=True):
            task.cancel()
            one.run.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(
    opened: Opened, index: int, note: StreamNote, queue: asyncio.Queue[tuple[int, Part]]
) -> None:
    reader = note.reader
    try:
        for event in opened.came:
            for part in reader.feed(event):
                await queue.put((index, part))
        async for news in opened.events:
            for part in reader.feed(news) if news is not None else ():
                await queue.put((index, part))
    except ApiError as error:
        await queue.put((index, Breaks(error)))
    except InferenceError as error:
        await queue.put((index, Breaks(of_inference(error.info))))
