"""What the API adds to the engine: time to a first token, gaps, and web's processor time for each token.

Real web and inference processes, tiny models; this program is the load. What is compared is the inference
service's own: its measure of the same first token, and the gaps of the same streams read without the web
process. `python -m benchmarks.api`
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.api_load import Stream, idle_pages
from tests.process.api_process import ApiProcess

# Two, since one model computes 64 sequences together at most.
MODELS = ("talks", "tells")
# What the last answer took is written down after its end; that is not the next one's time.
PAUSE_SECONDS = 0.05
OPTIONS = ("--max-sequences", "50", "--context-window", "2048")


@contextmanager
def product(layers: int, width: int) -> Iterator[tuple[ApiProcess, str]]:
    shape = {"printable": True, "context_length": 2048, "layers": layers, "width": width}
    with (
        tempfile.TemporaryDirectory() as folder,
        ApiProcess(Path(folder), dict.fromkeys(MODELS, shape), *OPTIONS) as api,
    ):
        yield api, api.key()


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def streams_of(number: int) -> list[Stream]:
    return [Stream(MODELS[index % len(MODELS)], index) for index in range(number)]


async def first_tokens(api: ApiProcess, key: str, *, runs: int) -> None:
    streams = []
    for _ in range(runs):
        streams.append(await Stream(MODELS[0]).read(api, key, tokens=4))
        await asyncio.sleep(PAUSE_SECONDS)
    streams = streams[runs // 10 :]
    seen = statistics.median(one.first or 0.0 for one in streams)
    added = statistics.median((one.first or 0.0) - one.service_first for one in streams)
    print(
        f"first token, one at a time: {seen * 1000:.1f} ms seen, {added * 1000:.1f} ms of it added"
    )


async def relaying(api: ApiProcess, key: str, *, number: int, tokens: int, pages: int) -> None:
    alone = [
        one
        for one in await together(
            streams_of(number), lambda one: one.read_directly(api, tokens=tokens)
        )
        if isinstance(one, Stream)
    ]
    web = psutil.Process(api.web.process.pid)
    async with idle_pages(api, pages, first=number):
        idle = await idle_share(web)
        before, began_at = cpu_seconds(web), time.perf_counter()
        done = await together(streams_of(number), lambda one: one.read(api, key, tokens=tokens))
        seconds, used = time.perf_counter() - began_at, cpu_seconds(web) - before
        memory = web.memory_info().rss / 1024**2
    read = [one for one in done if isinstance(one, Stream)]
    total = sum(one.num_tokens for one in read)
    print(
        f"{number} streams, {pages} idle pages: {total:,} tokens, {total / seconds / number:.1f} a second in each; "
        f"web took {used / total * 1000:.3f} ms of processor time a token, {used / seconds:.0%} of a core "
        f"({idle:.0%} with the idle pages alone); "
        f"p99 gap {p99(read) * 1000:.1f} ms, {(p99(read) - p99(alone)) * 1000:.1f} ms of it added; "
        f"{memory:.0f} MiB; {len(done) - len(read)} errors"
    )


async def together(
    streams: Sequence[Stream], read: Callable[[Stream], Coroutine[Any, Any, Stream]]
) -> Sequence[Stream | BaseException]:
    """Each begins when the one before it has begun to come: 64 may wait at the same moment."""
    tasks = []
    for one in streams:
        tasks.append(asyncio.create_task(read(one)))
        begun = asyncio.create_task(one.begun.wait())
        await asyncio.wait((tasks[-1], begun), return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def idle_share(web: psutil.Process, seconds: float = 5.0) -> float:
    before = cpu_seconds(web)
    await asyncio.sleep(seconds)
    return (cpu_seconds(web) - before) / seconds


def p99(streams: Sequence[Stream]) -> float:
    gaps = sorted(gap for one in streams for gap in one.gaps)
    return gaps[int(len(gaps) * 0.99)]


async def measure(api: ApiProcess, key: str, options: argparse.Namespace) -> None:
    for model in MODELS:  # loads it, by either way
        await Stream(model).read(api, key, tokens=1)
        await Stream(model).read_directly(api, tokens=1)
    await first_tokens(api, key, runs=options.runs)
    for number in options.streams:
        pages = options.pages if number == max(options.streams) else 0
        await relaying(api, key, number=number, tokens=options.tokens, pages=pages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 8, 32, 100])
    parser.add_argument("--pages", type=int, default=300, help="idle ones, beside most streams")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=64)
    options = parser.parse_args()
    with product(options.layers, options.width) as (api, key):
        asyncio.run(measure(api, key, options))


if __name__ == "__main__":
    main()
