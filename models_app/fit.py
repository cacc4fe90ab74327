"""Will a model run here? An estimate from what is known before it is downloaded, with its numbers.

weights (the file) + KV cache (tokens by what a token takes) + buffers, against this machine's memory
less a reserve. What a token takes is not known without the file's header: it is taken from the sizes
of common models with grouped-query attention, 32 KiB at 1 billion parameters and 320 KiB at 70.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

import msgspec
from django.conf import settings

from inference.gguf_header import GGUFHeader
from inference.hardware.llama_build import LlamaUnusable, probe_llama_build
from inference.hardware.machine import this_machine
from inference.headers import known_header
from inference.memory_estimate import BYTES_A_VALUE, MemoryEstimate, estimate
from inference.memory_record import Loading, MemoryRecord, Taken
from inference.mlx_folder import MLXHeader
from inference.types import KVCacheType

GIB = 1024**3
CONTEXT = 8192
# A vocabulary of 150,000, and a width of 4,096.
BUFFERS = 190_000_000
CACHE_AT_ONE_BILLION = 32 * 1024
GROWTH = 0.55
# Of a GPU's memory, what the desktop leaves.
GPU_SHARE = 0.9
# Of a weight with four bits, as Q4_K_M has them.
FOUR_BIT_BYTES = 0.61


class FitWord(StrEnum):
    """How it would run, the best first; the values are the CSS states."""

    GPU = "gpu"
    PARTLY_GPU = "partly-gpu"
    CPU = "cpu"
    TOO_LARGE = "too-large"


LABELS = {
    FitWord.GPU: "Fits in the GPU",
    FitWord.PARTLY_GPU: "Partly in the GPU",
    FitWord.CPU: "Runs on the CPU",
    FitWord.TOO_LARGE: "Too large",
}


@dataclass(frozen=True)
class Room:
    """Bytes for models. `gpu` 0: there is none that llama.cpp can use here."""

    memory: int
    gpu: int = 0


@dataclass(frozen=True)
class Fit:
    """`num_layers` 0: not known. The output counts as one more. `taken`: what it took when it was loaded
    before, by which `memory` is corrected."""

    word: FitWord
    memory: MemoryEstimate
    room: int
    context: int
    num_layers: int = 0
    taken: Taken | None = None

    @property
    def label(self) -> str:
        if self.word is FitWord.PARTLY_GPU and self.num_layers:
            in_gpu = self.num_layers * self.room // self.memory.total
            return f"{LABELS[self.word]}: {in_gpu} of {self.num_layers} layers"
        return LABELS[self.word]

    @property
    def runs(self) -> bool:
        return self.word is not FitWord.TOO_LARGE


def room_here() -> Room:
    machine = this_machine()
    reserve = min(GIB, machine.memory.total // 10)
    return Room(machine.memory.total - reserve, _gpu_room())


def fit_of(
    weights: int,
    *,
    num_parameters: int,
    room: Room,
    context: int = CONTEXT,
    kv_cache_type: KVCacheType = "f16",
    projector: int = 0,
) -> Fit:
    """Guessed. `num_parameters` 0: not known, and guessed from the weights."""
    precision = BYTES_A_VALUE[kv_cache_type] / BYTES_A_VALUE["f16"]
    kv_cache = int(context * _cache_bytes_a_token(num_parameters or weights) * precision)
    return _fit(MemoryEstimate(weights, kv_cache, BUFFERS, projector), context, room)


def fit_of_header(
    header: GGUFHeader | MLXHeader,
    *,
    weights: int,
    context: int,
    kv_cache_type: KVCacheType,
    projector: int,
    room: Room,
) -> Fit:
    """Of a model that is not here, by the header of one of its size and make: `weights` of all its files."""
    context = min(context, header.context_length or context)
    whole = replace(header, size=weights)
    found = estimate(whole, context_window=context, kv_cache_type=kv_cache_type)
    fit = _fit(replace(found, projector=projector), context, room)
    return replace(fit, num_layers=header.block_count + 1)


def most_parameters(room: Room) -> int:
    """Of the largest model that runs here with four bits a weight."""
    runs, fails = 0, 10**13
    while fails - runs > 10**7:
        middle = (runs + fails) // 2
        found = fit_of(int(middle * FOUR_BIT_BYTES), num_parameters=middle, room=room)
        runs, fails = (middle, fails) if found.runs else (runs, middle)
    return runs


def fit_of_file(
    path: str, *, context: int, kv_cache_type: KVCacheType, batch_tokens: int, room: Room
) -> Fit:
    """Of a file that is here: with its own numbers, and with what it took before. Raises
    ModelFileInvalid."""
    loading = Loading(
        context_window=context, kv_cache_type=kv_cache_type, batch_tokens=batch_tokens
    )
    found = estimate(known_header(Path(path)), **msgspec.structs.asdict(loading))
    taken = MemoryRecord(settings.CONFIGURATION.memory_record).find(path, loading)
    if taken is not None:
        found = replace(found, correction=taken.difference)
    return replace(_fit(found, context, room), taken=taken)


def _fit(found: MemoryEstimate, context: int, room: Room) -> Fit:
    need = found.total
    if room.gpu and need <= room.gpu:
        word, size = FitWord.GPU, room.gpu
    elif room.gpu and need <= room.memory + room.gpu:
        word, size = FitWord.PARTLY_GPU, room.gpu
    elif need <= room.memory:
        word, size = FitWord.CPU, room.memory
    else:
        word, size = FitWord.TOO_LARGE, max(room.memory, room.gpu)
    return Fit(word, found, size, context)


def _cache_bytes_a_token(num_parameters: int) -> int:
    return int(CACHE_AT_ONE_BILLION * max(num_parameters / 1e9, 0.05) ** GROWTH)


@cache
def _gpu_room() -> int:
    gpus = this_machine().gpus
    if not gpus:
        return 0
    try:
        has_gpu_build = bool(probe_llama_build().accelerators)
    except LlamaUnusable:
        return 0
    return int(max(gpu.memory for gpu in gpus) * GPU_SHARE) if has_gpu_build else 0
