"""Where a loaded model is computed, in as few words as fit on a badge, and why not on the GPU."""

from __future__ import annotations

import re

from inference.hardware.machine import Machine
from inference.types import ModelStatus

# What ggml prints when a driver is there and does not suit it.
_REFUSED = re.compile(r"failed to initialize (?:CUDA|Metal|Vulkan|ROCm)\w*: ([^\n]{1,120})")


def badge(status: ModelStatus) -> str:
    """ "GPU 33/33", "GPU 20/33 + CPU", "CPU", "MLX, CPU" or "Another server: Attic"."""
    if status.engine.startswith("Remote"):
        return status.device
    if status.engine.startswith("MLX"):
        return f"MLX, {status.device.split(':')[0]}"
    on_gpu, of = status.num_gpu_layers, status.num_layers
    if not on_gpu:
        return status.device.split(":")[0]
    return f"GPU {on_gpu}/{of}" if on_gpu == of else f"GPU {on_gpu}/{of} + CPU"


def why_not_gpu(
    status: ModelStatus, *, log_tail: str, wanted_layers: int, machine: Machine, can_use_gpu: bool
) -> str:
    """The middle of a sentence; "" for a model that is on the GPU, or is not loaded.

    `can_use_gpu`: this machine has one, and llama.cpp was built for it.
    """
    is_remote = status.engine.startswith("Remote")
    if status.num_gpu_layers or not status.device or is_remote:
        return ""
    if status.engine.startswith("MLX"):
        return "MLX computes on GPUs of Apple's only"
    if wanted_layers == 0:
        return "its settings put no layers on the GPU"
    if refused := _REFUSED.search(log_tail):
        return refused[1].strip().rstrip(".")
    if status.fallback:
        return "it could not be loaded on the GPU"
    if not machine.gpus:
        return machine.cuda.problem if machine.cuda.compiler else "no GPU was found"
    if not can_use_gpu:
        return f"llama.cpp was built without {machine.gpus[0].name}"
    return "llama.cpp found no GPU"
