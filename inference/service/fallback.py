"""The ways to load a model, best first. Pure: what to try, and how to say where it ended and why.

GPU with all layers → GPU with fewer → CPU → CPU without extra buffer types (weights repacked for
one instruction set, the part of llama.cpp that crashes on some processors). A runner that cannot
load, or dies while loading, moves the model one link on. It is never silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from inference.messages import LoadModel, LoadSettings
from inference.types import ModelSpec

# "Fewer" when all layers were tried: half of what common 7B and 8B models have.
FEWER_GPU_LAYERS = 16
NEVER = float("inf")

Links = Callable[[ModelSpec], tuple[LoadSettings, ...]]


@dataclass(frozen=True)
class Attempt:
    """A link that failed, and the sentence that says why."""

    settings: LoadSettings
    reason: str


class LoadChain:
    """One load of a model, from link to link until one holds."""

    def __init__(self, settings: tuple[LoadSettings, ...]) -> None:
        self._links = settings
        self._attempts: list[Attempt] = []

    @property
    def current(self) -> LoadSettings:
        return self._links[len(self._attempts)]

    def load_of(self, spec: ModelSpec) -> LoadModel:
        """Without what belongs to another model, which is not for this one's runner."""
        return LoadModel(msgspec.structs.replace(spec, fallback=None), self.current)

    def has_next(self) -> bool:
        return len(self._attempts) + 1 < len(self._links)

    def move_on(self, reason: str) -> None:
        assert self.has_next()
        self._attempts.append(Attempt(self.current, reason))

    @property
    def explanation(self) -> str:
        """Where the model is and why not where it was first tried; "" when it is there."""
        if not self._attempts:
            return ""
        first = self._attempts[0]
        return f"Runs {describe(self.current)}. Not {describe(first.settings)}: {first.reason}"


# What a model may have of its own, by the same names in both.
OWN = (
    "context_window",
    "gpu_layers",
    "threads",
    "max_sequences",
    "kv_cache_type",
    "flash_attention",
    "batch_tokens",
)


def settings_of(spec: ModelSpec, settings: LoadSettings) -> LoadSettings:
    """The service's, but for what the model has of its own."""
    own = {name: getattr(spec, name) for name in OWN if getattr(spec, name) is not None}
    return msgspec.structs.replace(settings, **own)


def idle_seconds_of(spec: ModelSpec | None, default: float) -> float:
    """After how long without use it is unloaded. 0, in either: never."""
    if spec is not None and spec.is_pinned:
        return NEVER
    own = spec.idle_unload_seconds if spec is not None else None
    return (default if own is None else own) or NEVER


def loads_alike(one: ModelSpec, other: ModelSpec) -> bool:
    """Neither a new name, nor how long it stays, nor another fallback is a reason to load the same file again."""

    def told(spec: ModelSpec) -> ModelSpec:
        return msgspec.structs.replace(
            spec, name="", idle_unload_seconds=None, is_pinned=False, fallback=None
        )

    return told(one) == told(other)


def links(settings: LoadSettings, *, has_gpu_build: bool) -> tuple[LoadSettings, ...]:
    """Never empty. Without a GPU build, or with `gpu_layers` 0, it starts at the CPU."""
    cpu = msgspec.structs.replace(settings, gpu_layers=0)
    plain_cpu = msgspec.structs.replace(cpu, use_extra_bufts=False)
    if settings.gpu_layers == 0 or not has_gpu_build:
        return (cpu, plain_cpu)
    return (settings, *_with_fewer_layers(settings), cpu, plain_cpu)


def describe(settings: LoadSettings) -> str:
    if settings.gpu_layers < 0:
        return "on the GPU with all layers"
    if settings.gpu_layers > 0:
        return f"with {settings.gpu_layers} layers on the GPU"
    if settings.use_extra_bufts:
        return "on the CPU"
    return "on the CPU without extra buffer types (slower)"


def _with_fewer_layers(settings: LoadSettings) -> tuple[LoadSettings, ...]:
    fewer = FEWER_GPU_LAYERS if settings.gpu_layers < 0 else settings.gpu_layers // 2
    return (msgspec.structs.replace(settings, gpu_layers=fewer),) if fewer else ()
