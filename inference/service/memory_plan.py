"""Who may load when: gives memory to one load after the other, and has idle models unloaded for it.

What a model will need is an estimate; what is free, and what a loaded model really holds, is
measured each time, and counted for what it may still come to. Weights are mapped from the file, and the kernel counts such pages as available
although a model in use needs them: they are taken off.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import psutil

from inference.errors import ModelLoadFailed
from inference.hardware.memory import Memory, probe_memory
from inference.service.eviction import Eviction, Resident, choose
from inference.types import Affected, LoadPlan

GIB = 1024**3
# What runs in those that are in the way comes to its end first, and is never broken off.
WAIT_LIMIT_SECONDS = 600.0
# Memory may also come free elsewhere, so a load that waits looks again now and then.
LOOK_AGAIN_SECONDS = 2.0


@dataclass(frozen=True)
class MemoryUse:
    """`resident`: all bytes in memory; `mapped`: those of them that are pages of files. `expected`: what
    it may come to, as the copies of ended chats grow."""

    resident: int = 0
    mapped: int = 0
    expected: int = 0

    @property
    def held(self) -> int:
        """What the plan counts it for."""
        return max(self.resident, self.expected)

    @classmethod
    def of(cls, pid: int) -> MemoryUse:
        """Zero for a process that is gone."""
        try:
            info = psutil.Process(pid).memory_info()
        except psutil.Error:
            return cls()
        return cls(resident=info.rss, mapped=getattr(info, "shared", 0))


class Tenant(Protocol):
    """A model with a runner, as the plan sees it. All of it is advice, except what `evict` says."""

    @property
    def model_id(self) -> str: ...
    @property
    def last_used_at(self) -> float: ...
    @property
    def is_busy(self) -> bool: ...
    @property
    def is_pinned(self) -> bool: ...
    @property
    def users(self) -> tuple[str, ...]: ...
    def memory(self) -> MemoryUse: ...
    def evict(self) -> Awaitable[bool]: ...
    def want_memory(self, is_wanted: bool) -> None: ...


class MemoryPlan:
    """`tenants`: the models that have a runner now. `has_gpu`: weights may go elsewhere than RAM,
    so a model that looks too big is tried all the same."""

    def __init__(
        self,
        tenants: Callable[[], Sequence[Tenant]],
        *,
        has_gpu: bool,
        probe: Callable[[], Memory] = probe_memory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tenants = tenants
        self._has_gpu = has_gpu
        self._probe = probe
        self._clock = clock
        self._promised: dict[str, int] = {}
        self._turnstile = asyncio.Lock()
        self._changed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def reserve(self, model_id: str, need: int) -> AsyncIterator[None]:
        """Hold `need` bytes for a load, in order of arrival. Raises ModelLoadFailed.

        Leave it when the load is over, one way or the other: from then on it is measured. What needs
        nothing here, as it is computed elsewhere, waits for nobody.
        """
        if need <= 0:
            yield
            return
        async with self._turnstile:
            await self._make_room(need)
            self._promised[model_id] = need
        try:
            yield
        finally:
            del self._promised[model_id]
            self.look_again()

    def foresee(self, model_id: str, need: int) -> LoadPlan:
        """What `reserve` would do now."""
        if need <= 0:
            return LoadPlan(verdict="fits", needed=0, free=self._free())
        own = sum(t.memory().held for t in self._tenants() if t.model_id == model_id)
        others = [tenant for tenant in self._tenants() if tenant.model_id != model_id]
        free = self._free() + own
        choice = self._choose(need, others, free)
        if choice.verdict == "never":
            verdict: Literal["fits", "never"] = "fits" if self._has_gpu else "never"
            return LoadPlan(verdict=verdict, needed=need, free=free)
        if choice.verdict == "wait":
            models = tuple(self._affected(tenant) for tenant in others if tenant.is_busy)
            return LoadPlan(verdict="waits", needed=need, free=free, models=models)
        models = tuple(self._affected(t) for t in others if t.model_id in choice.models)
        return LoadPlan(verdict="fits", needed=need, free=free, models=models)

    def _affected(self, tenant: Tenant) -> Affected:
        idle_seconds = 0.0 if tenant.is_busy else self._clock() - tenant.last_used_at
        return Affected(model_id=tenant.model_id, users=tenant.users, idle_seconds=idle_seconds)

    def look_again(self) -> None:
        """Something ended: a load that waits may fit now."""
        self._changed.set()

    async def _make_room(self, need: int) -> None:
        give_up_at = self._clock() + WAIT_LIMIT_SECONDS
        asked: set[str] = set()
        try:
            while (choice := self._choose_now(need)) != Eviction("fits"):
                if choice.verdict == "never":
                    if self._has_gpu:
                        return
                    raise _too_big(need, self._free(), pinned=self._pinned())
                if choice.models and await self._evict(choice.models):
                    continue
                if self._clock() >= give_up_at:
                    raise _busy()
                self._ask_to_make_way(need, asked)
                await self._wait_for_change()
        finally:
            self._want_memory_of(asked, is_wanted=False)

    def _choose_now(self, need: int) -> Eviction:
        return self._choose(need, self._tenants(), self._free())

    def _choose(self, need: int, tenants: Sequence[Tenant], free: int) -> Eviction:
        # What loads now cannot go yet, but may be idle soon: a reason to wait.
        loading = [Resident(name, size, 0.0, True) for name, size in self._promised.items()]
        return choose(need=need, free=free, residents=[*self._loaded(tenants), *loading])

    def _loaded(self, tenants: Sequence[Tenant]) -> list[Resident]:
        return [
            Resident(t.model_id, t.memory().held, t.last_used_at, t.is_busy, t.is_pinned)
            for t in tenants
            if t.model_id not in self._promised
        ]

    def _pinned(self) -> int:
        return sum(t.memory().held for t in self._tenants() if t.is_pinned)

    def _ask_to_make_way(self, need: int, asked: set[str]) -> None:
        """Who was asked once stays asked: the longest unused of busy ones is another each moment."""
        movable = [replace(resident, is_busy=False) for resident in self._loaded(self._tenants())]
        ours = [resident for resident in movable if resident.model_id in asked]
        if choose(need=need, free=self._free(), residents=ours).verdict != "fits":
            asked.update(choose(need=need, free=self._free(), residents=movable).models)
        self._want_memory_of(asked, is_wanted=True)

    def _want_memory_of(self, model_ids: set[str], *, is_wanted: bool) -> None:
        for tenant in self._tenants():
            if tenant.model_id in model_ids:
                tenant.want_memory(is_wanted)

    async def _evict(self, model_ids: tuple[str, ...]) -> bool:
        """Whether all of them are gone. One that has come into use meanwhile refuses, and so does one
        whose runner failed to load and is not gone yet."""
        chosen = [tenant for tenant in self._tenants() if tenant.model_id in model_ids]
        return all([await tenant.evict() for tenant in chosen])

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            # Not `wait_for`: it loses a cancellation that comes with the change (Python 3.11).
            async with asyncio.timeout(LOOK_AGAIN_SECONDS):
                await self._changed.wait()

    def _free(self) -> int:
        memory = self._probe()
        reserve = min(GIB, memory.total // 10)
        # A promise is kept from its first moment, when there is no process to be measured yet.
        taken = sum(self._promised.values())
        for tenant in self._tenants():
            use = tenant.memory()
            private = use.resident - use.mapped
            promised = self._promised.get(tenant.model_id, 0)
            taken += max(promised, use.held) - promised - private
        return memory.available - reserve - taken


def _too_big(need: int, free: int, *, pinned: int) -> ModelLoadFailed:
    advice = "Close other programs, or take a smaller model or context window."
    if pinned and need <= free + pinned:
        advice = f"Models that are kept in memory hold {pinned / GIB:.1f} GiB: let one of them go."
    return ModelLoadFailed(
        f"This model needs about {need / GIB:.1f} GiB of memory, and {max(free, 0) / GIB:.1f} GiB "
        f"are free. {advice}",
        needed_bytes=need,
        free_bytes=max(free, 0),
    )


def _busy() -> ModelLoadFailed:
    return ModelLoadFailed(
        "The memory is in use by models that are answering. Try again when they are done."
    )
