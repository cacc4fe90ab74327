"""Everything about this machine in one frozen value, probed once per process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from inference.hardware.cpu import Cpu, probe_cpu
from inference.hardware.gpu import Cuda, Gpu, probe_cuda, probe_metal
from inference.hardware.memory import Memory, probe_memory


@dataclass(frozen=True)
class Machine:
    """`memory.available` is that of the moment of the probe; all else does not change."""

    cpu: Cpu
    memory: Memory
    cuda: Cuda
    gpus: tuple[Gpu, ...]


@cache
def this_machine() -> Machine:
    cuda = probe_cuda()
    return Machine(
        cpu=probe_cpu(), memory=probe_memory(), cuda=cuda, gpus=cuda.gpus + probe_metal()
    )
