"""Measures one model through the inference service, as whoever chats with it would find it.

It is loaded anew, so that the time is that of a real load and nothing of earlier chats is in memory;
never while somebody waits for an answer of it. Knows nothing of the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from inference.client import InferenceClient
from inference.errors import InferenceError, InvalidRequest, ModelUnloaded, error_from
from inference.types import ModelSpec, ModelState, ModelStatus, SamplingParams
from models_app.benchmarks.disturbance import Disturbance
from models_app.benchmarks.loads import ENOUGH_ANSWERS, TARGETS, Reading, readings, writings
from models_app.benchmarks.requests import Asking

LOOK_SECONDS = 0.5
POLL_SECONDS = 0.1
LEAVE_TRIES = 30
# How long somebody's answer, or a load that was begun, is waited for.
PATIENCE_SECONDS = 10.0
# How the way is divided: what a step begins at.
LOADED_AT, READ_AT = 0.3, 0.7

Tell = Callable[[str, float], Awaitable[bool]]


@dataclass
class Figures:
    """`status`: of the model after all of it."""

    status: ModelStatus
    load_seconds: float
    readings: list[Reading] = field(default_factory=list)
    first_token_seconds: float | None = None
    num_generated: int = 0
    tokens_per_second: float | None = None
    disturbance: str = ""


class Measuring:
    """`tell`: called twice a second with the step and the fraction; answers whether a download is going
    on. Whatever it raises ends the measuring, at once and tidily."""

    def __init__(
        self,
        client: InferenceClient,
        spec: ModelSpec,
        *,
        sampling: SamplingParams,
        generates: bool,
        tell: Tell,
    ) -> None:
        self._client = client
        self._spec = spec
        self._asking = Asking(client, spec, sampling, generates)
        self._tell = tell
        self._step, self._fraction = "Getting ready", 0.0
        self._disturbance = Disturbance(spec.model_id)

    async def run(self) -> Figures:
        """Raises InferenceError, and what `tell` raises."""
        watching = asyncio.create_task(self._watch())
        measuring = asyncio.create_task(self._measure_and_leave())
        try:
            await asyncio.wait({watching, measuring}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            measuring.cancel()
            ended = await asyncio.gather(watching, measuring, return_exceptions=True)
        figures = ended[1]
        if isinstance(figures, asyncio.CancelledError) and isinstance(ended[0], BaseException):
            raise ended[0]
        if isinstance(figures, BaseException):
            raise figures
        return figures

    async def _watch(self) -> None:
        """Raises what `tell` raises. A service that does not answer is the measuring's to notice."""
        while True:
            is_downloading = await self._tell(self._step, self._fraction)
            try:
                status = await self._client.status()
            except InferenceError:
                continue
            self._disturbance.look(status, is_downloading=is_downloading)
            await asyncio.sleep(LOOK_SECONDS)

    async def _measure_and_leave(self) -> Figures:
        """The model is left as it was found: in memory or not."""
        was_loaded = await self._unload()
        try:
            return await self._measure()
        finally:
            if not was_loaded:
                with contextlib.suppress(InferenceError):
                    await self._leave()

    async def _measure(self) -> Figures:
        loaded = await self._load()
        figures = Figures(status=loaded, load_seconds=loaded.load_seconds)
        self._disturbance.begin(loaded.runner_pid)
        await self._read(figures)
        if self._asking.generates:
            await self._write(figures)
        figures.status = await self._status() or loaded
        self._disturbance.end()
        figures.disturbance = self._disturbance.noticed
        return figures

    async def _read(self, figures: Figures) -> None:
        self._at("Reading a first prompt", LOADED_AT)
        async for reading in readings(self._asking, window=figures.status.context_window):
            figures.readings.append(reading)
            done = len(figures.readings) / len(TARGETS)
            self._at("Reading prompts", LOADED_AT + (READ_AT - LOADED_AT) * done)

    async def _write(self, figures: Figures) -> None:
        self._at("Writing answers", READ_AT)
        count = 0
        async for writing in writings(self._asking):
            count += 1
            done = min(count / ENOUGH_ANSWERS, 1.0)
            self._at("Writing answers", READ_AT + (1.0 - READ_AT) * done)
            figures.first_token_seconds = writing.first_token_seconds
            figures.num_generated = writing.num_tokens
            figures.tokens_per_second = writing.tokens_per_second

    # -- loading --------------------------------------------------------------------------------

    async def _unload(self) -> bool:
        """Whether it was loaded. Raises InvalidRequest when it stays in use."""
        before = await self._status()
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while (now := await self._status()) is not None:
            if not _is_in_use(now):
                # A failure is forgotten by this, too.
                await self._client.unload(self._spec.model_id, if_idle=True)
            elif time.monotonic() > give_up_at:
                raise _in_use(self._spec)
            self._at("Waiting until nobody uses it", 0.0)
            await asyncio.sleep(POLL_SECONDS)
        return before is not None and before.state is ModelState.READY

    async def _leave(self) -> None:
        """What was asked last may take a moment to end; whoever came meanwhile keeps the model."""
        for _ in range(LEAVE_TRIES):
            await self._client.unload(self._spec.model_id, if_idle=True)
            await asyncio.sleep(POLL_SECONDS)
            if await self._status() is None:
                return

    async def _load(self) -> ModelStatus:
        self._at("Loading it", 0.0)
        await self._client.load(self._spec)
        was_seen = False
        while True:
            now = await self._status()
            if now is not None and now.state is ModelState.READY:
                return now
            if now is not None and now.error:
                raise error_from(now.error)
            if now is None and was_seen:
                raise ModelUnloaded("Somebody unloaded it before it was loaded.")
            was_seen = was_seen or now is not None
            self._fraction = LOADED_AT * (now.fraction if now else 0.0)
            await asyncio.sleep(POLL_SECONDS)

    async def _status(self) -> ModelStatus | None:
        """None: it is not in memory, and has not failed."""
        return (await self._client.status()).of(self._spec.model_id)

    def _at(self, step: str, fraction: float) -> None:
        self._step, self._fraction = step, fraction


def _is_in_use(status: ModelStatus) -> bool:
    return status.state is ModelState.LOADING or bool(status.num_running or status.num_waiting)


def _in_use(spec: ModelSpec) -> InvalidRequest:
    return InvalidRequest(f"{spec.name} is in use. Measure it when nobody waits for its answers.")
