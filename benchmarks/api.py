"""What the API adds to the engine: time to a first token, and web's processor time for each token.

Real web and inference processes, a tiny model; this program is the load. What is compared is in each request's
own `timings`: the inference service's measure of the same first token. `python -m benchmarks.api`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.process.api_process import ApiProcess

PATH = "/v1/chat/completions"
PROMPT = [{"role": "user", "content": "Tell me of owls."}]


class Stream:
    """`gaps` in seconds between pieces of the stream, as they came."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.num_tokens = 0
        self.gaps: list[float] = []
        self.service_first = 0.0

    async def read(self, port: int, key: str, *, tokens: int) -> Stream:
        body = json.dumps(
            {"model": "talks", "messages": PROMPT, "stream": True, "max_tokens": tokens,
             "temperature": 0}
        )  # fmt: skip
        began_at = last_at = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        async for line in reader:
            if line.startswith(b"data: {") and b'"content":' in line:
                now = time.perf_counter()
                if b'"role"' not in line:
                    self._came(now, began_at, last_at)
                last_at = now
            if b'"timings"' in line:
                measured = json.loads(line[6:])["timings"]
                self.num_tokens = measured["predicted_n"]
                self.service_first = measured["prompt_ms"] / 1000
            if line.startswith(b"data: [DONE]"):
                break
        writer.close()
        return self

    def _came(self, now: float, began_at: float, last_at: float) -> None:
        if self.first is None:
            self.first = now - began_at
        else:
            self.gaps.append(now - last_at)


@contextmanager
def product(*options: str) -> Iterator[tuple[ApiProcess, str]]:
    shape = {"printable": True, "context_length": 8192}
    with (
        tempfile.TemporaryDirectory() as folder,
        ApiProcess(Path(folder), {"talks": shape}, *options) as api,
    ):
        key = api.key()
        api.post(PATH, {"model": "talks", "messages": PROMPT, "max_tokens": 1}, key)
        yield api, key


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def first_tokens(api: ApiProcess, key: str, *, runs: int) -> None:
    async def read() -> list[Stream]:
        return [await Stream().read(api.web.port, key, tokens=4) for _ in range(runs)]

    streams = asyncio.run(read())[runs // 10 :]
    seen = statistics.median(one.first or 0.0 for one in streams)
    added = statistics.median((one.first or 0.0) - one.service_first for one in streams)
    print(
        f"first token, one at a time: {seen * 1000:.1f} ms seen, {added * 1000:.1f} ms of it added"
    )


def relaying(api: ApiProcess, key: str, *, streams: int, tokens: int) -> None:
    web = psutil.Process(api.web.process.pid)

    async def read() -> list[Stream]:
        return await asyncio.gather(
            *(Stream().read(api.web.port, key, tokens=tokens) for _ in range(streams))
        )

    before, began_at = cpu_seconds(web), time.perf_counter()
    done = asyncio.run(read())
    seconds, used = time.perf_counter() - began_at, cpu_seconds(web) - before
    total = sum(one.num_tokens for one in done)
    gaps = sorted(gap for one in done for gap in one.gaps)
    print(
        f"{streams} streams, {total:,} tokens in {seconds:.1f} s: web took {used / total * 1000:.3f} ms of "
        f"processor time a token, p99 gap {gaps[int(len(gaps) * 0.99)] * 1000:.1f} ms, "
        f"{web.memory_info().rss / 1024**2:.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 8, 32])
    options = parser.parse_args()
    with product("--max-sequences", "32", "--context-window", "8192") as (api, key):
        first_tokens(api, key, runs=options.runs)
        for number in options.streams:
            relaying(api, key, streams=number, tokens=options.tokens)


if __name__ == "__main__":
    main()
