"""The service itself: what each command of a client does. Knows nothing of sockets.

It owns the generations and one `ModelOwner` for each model that was ever asked for. It decides
nothing about a model: it hands messages to the owner.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from inference.errors import ErrorInfo
from inference.hardware.llama_build import ACCELERATORS
from inference.limits import check_request
from inference.memory_record import MemoryRecord
from inference.messages import LoadSettings
from inference.model_files import ModelFormat, format_of
from inference.service import failures, fallback
from inference.service.generation import Generation
from inference.service.generations import Generations
from inference.service.memory_need import need_of
from inference.service.memory_plan import MemoryPlan
from inference.service.model_messages import (
    LoadRequested,
    StopRequested,
    Submitted,
    UnloadRequested,
)
from inference.service.model_owner import ModelOwner
from inference.service.runner_command import runner_command
from inference.service.settings import ServiceSettings
from inference.types import (
    LoadPlan,
    ModelDetails,
    ModelSpec,
    ModelState,
    ModelStatus,
    Request,
    ServiceStatus,
)

logger = logging.getLogger(__name__)

MIB = 1024 * 1024


class InferenceService:
    """Made inside a running event loop. Ended by `shut_down`, whatever happened."""

    def __init__(self, settings: ServiceSettings) -> None:
        has_gpu = has_gpu_build()
        self._settings = settings
        self._has_gpu_build = has_gpu
        self._clock = asyncio.get_running_loop().time  # time.monotonic, but in tests
        self._generations = Generations(clock=self._clock)
        self._owners: dict[str, ModelOwner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_shut = False
        self._record = MemoryRecord(settings.memory_record)
        self._memory = MemoryPlan(
            lambda: [owner for owner in self._owners.values() if owner.has_runner],
            has_gpu=has_gpu,
            clock=self._clock,
        )

    def generate(self, request: Request) -> None:
        """Raises InvalidRequest and Overloaded; a known id is not started again."""
        check_request(request)
        generation = self._generations.admit(request)
        if generation is not None:
            logger.info(
                "admitted generation=%s model=%s request=%s",
                *(request.generation_id, request.model.model_id, request.request_id or "-"),
            )
            self._owner_of(request.model.model_id).post(Submitted(generation))

    def attach(self, generation_id: str, *, after: int) -> AsyncIterator[bytes]:
        """Frames of the log. Raises GenerationNotFound at once."""
        return self._generations.find(generation_id).log.follow(after=after)

    def stop(self, generation_id: str) -> None:
        generation = self._generations.find_open(generation_id)
        if generation is not None:
            generation.is_unwanted = True
            model_id = generation.request.model.model_id
            self._owner_of(model_id).post(StopRequested(generation_id))

    def recall(self, generation_id: str) -> bytes:
        """Raises GenerationNotFound."""
        return self._generations.find(generation_id).request.note

    def forget(self, generation_id: str) -> None:
        self._generations.forget(generation_id)

    def load(self, spec: ModelSpec) -> None:
        self._owner_of(spec.model_id).post(LoadRequested(spec))

    def unload(self, model_id: str, *, if_idle: bool = False) -> None:
        if model_id in self._owners:
            self._owners[model_id].post(UnloadRequested(if_idle))

    async def foresee(self, spec: ModelSpec) -> LoadPlan:
        owner = self._owners.get(spec.model_id)
        first = self._links_of(spec)[0]
        need = (await asyncio.to_thread(need_of, spec.path, first, self._record)).total
        if owner is not None and owner.has_loaded(spec):
            return LoadPlan(verdict="loaded", needed=need, free=0)
        return self._memory.foresee(spec.model_id, need)

    def status(self) -> ServiceStatus:
        models = [owner.status() for owner in self._owners.values()]
        unloaded = [model for model in models if model.state is ModelState.UNLOADED]
        return ServiceStatus(
            pid=os.getpid(),
            models=tuple(model for model in models if model not in unloaded),
            generations=self._generations.open_ids,
            unloaded=tuple(model for model in unloaded if model.last_used_at),
        )

    def details(self, model_id: str) -> ModelDetails:
        if model_id in self._owners:
            return self._owners[model_id].details()
        return ModelDetails(status=ModelStatus(model_id=model_id, state=ModelState.UNLOADED))

    async def shut_down(self) -> None:
        """Every generation ends with a terminal event, every runner is ended and reaped."""
        self._is_shut = True
        await asyncio.gather(*(owner.shut_down() for owner in self._owners.values()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _owner_of(self, model_id: str) -> ModelOwner:
        if model_id not in self._owners:
            self._owners[model_id] = owner = self._new_owner(model_id)
            task = asyncio.create_task(owner.run(), name=f"owner of {model_id}")
            task.add_done_callback(_end_on_fault)
            self._tasks.add(task)
        return self._owners[model_id]

    def _links_of(self, spec: ModelSpec) -> tuple[LoadSettings, ...]:
        settings = fallback.settings_of(spec, _load_settings(self._settings))
        if spec.remote is not None or format_of(Path(spec.path)) is ModelFormat.MLX:
            return (settings,)  # MLX and another server choose the device, and there is but one
        return fallback.links(settings, has_gpu_build=self._has_gpu_build)

    def _new_owner(self, model_id: str) -> ModelOwner:
        return ModelOwner(
            model_id,
            links_of=self._links_of,
            idle_unload_seconds=self._settings.idle_unload_seconds,
            max_per_user=self._settings.max_per_user,
            runner_command=partial(runner_command, self._settings),
            memory=self._memory,
            record=self._record,
            pass_on=self._pass_on,
            clock=self._clock,
        )

    def _pass_on(self, generation: Generation, error: ErrorInfo) -> None:
        """A Stop that still waits at the model before would not find it any more."""
        if generation.is_unwanted:
            generation.cancel()
            return
        if self._is_shut:
            generation.fail(failures.shutting_down())
            return
        before = generation.request.model.model_id
        generation.move(error)
        after = generation.request.model.model_id
        logger.warning("moved generation=%s from=%s to=%s", generation.id, before, after)
        self._owner_of(after).post(Submitted(generation))


def _end_on_fault(task: asyncio.Task[None]) -> None:
    """An owner that cannot even give up leaves nobody to answer: start over, all of us."""
    if not task.cancelled() and task.exception() is not None:
        logger.critical("an owner died", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)


def has_gpu_build() -> bool:
    """Whether llama.cpp was built for an accelerator, seen from its files: without importing it."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        return False
    libraries = Path(spec.origin).parent.glob("lib/*ggml-*")
    return any(f"ggml-{name}." in library.name for library in libraries for name in ACCELERATORS)


def _load_settings(settings: ServiceSettings) -> LoadSettings:
    return LoadSettings(
        context_window=settings.context_window,
        max_sequences=settings.max_sequences,
        threads=settings.threads,
        gpu_layers=settings.gpu_layers,
        kv_cache_type=settings.kv_cache_type,
        prompt_cache_bytes=settings.prompt_cache_mib * MIB,
        share_system_prompts=settings.share_system_prompts,
        speculation=settings.speculation,
        draft_model=settings.draft_model,
    )
