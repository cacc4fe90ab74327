"""The processor: its name, the vector instructions that matter here, and the cores we may use.

Standard library only. A container's share counts, not the host's size: the affinity mask and the
cgroup quota of this process bound the cores.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from inference.hardware.cgroup import cpu_quota

# Kernel flag (Linux x86, Linux Arm) or sysctl suffix (macOS) → the name people know.
FEATURE_NAMES = {
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "F16C",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX BF16",
    "asimd": "NEON",
    "asimddp": "NEON dot product",
    "i8mm": "NEON I8MM",
    "sve": "SVE",
}
APPLE_FEATURES = {
    "hw.optional.neon": "NEON",
    "hw.optional.AdvSIMD": "NEON",
    "hw.optional.arm.FEAT_DotProd": "NEON dot product",
    "hw.optional.arm.FEAT_I8MM": "NEON I8MM",
    "hw.optional.avx2_0": "AVX2",
    "hw.optional.avx512f": "AVX-512",
    "hw.optional.f16c": "F16C",
}


@dataclass(frozen=True)
class Cpu:
    """`physical_cores` and `logical_cores` are those this process may use, at least 1 each."""

    name: str
    architecture: str
    features: tuple[str, ...]
    physical_cores: int
    logical_cores: int
    host_cores: int

    @property
    def has_amx(self) -> bool:
        """llama.cpp's AMX code crashes on such a processor unless the build leaves it out."""
        return "AMX INT8" in self.features


def probe_cpu() -> Cpu:
    if platform.system() == "Darwin":
        return _apple_cpu()
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return cpu_from_text(text, usable=_usable_cpus(), quota=cpu_quota())


def cpu_from_text(text: str, *, usable: set[int], quota: float | None) -> Cpu:
    """The processor that a /proc/cpuinfo describes, to a process that may run on CPUs `usable`."""
    blocks = [_fields(block) for block in text.strip().split("\n\n")]
    cpus = [block for block in blocks if "processor" in block]
    allowed = [block for block in cpus if int(block["processor"]) in usable] or cpus
    return Cpu(
        name=_name(blocks),
        architecture=platform.machine(),
        features=_features(cpus),
        physical_cores=_within(quota, _physical(allowed)),
        logical_cores=_within(quota, len(allowed)),
        host_cores=max(1, len(cpus)),
    )


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _name(blocks: list[dict[str, str]]) -> str:
    for key in ("model name", "Model", "Hardware", "Processor"):
        for block in blocks:
            if block.get(key):
                return re.sub(r"\s+", " ", block[key])
    return "unknown processor"


def _features(cpus: list[dict[str, str]]) -> tuple[str, ...]:
    """What every core has: a mixed processor runs a thread on any of its cores."""
    flags = [set((cpu.get("flags") or cpu.get("Features") or "").split()) for cpu in cpus]
    common = set.intersection(*flags) if flags else set()
    return tuple(name for flag, name in FEATURE_NAMES.items() if flag in common)


def _physical(cpus: list[dict[str, str]]) -> int:
    """Distinct (socket, core) pairs; Arm kernels do not print them, there each CPU is a core."""
    return len(
        {
            (cpu.get("physical id", ""), cpu.get("core id", f"cpu {cpu['processor']}"))
            for cpu in cpus
        }
    )


def _within(quota: float | None, cores: int) -> int:
    return max(1, cores if quota is None else min(cores, int(quota)))


def _usable_cpus() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _apple_cpu() -> Cpu:
    features = [name for key, name in APPLE_FEATURES.items() if sysctl(key) == "1"]
    logical = int(sysctl("hw.logicalcpu") or 1)
    return Cpu(
        name=sysctl("machdep.cpu.brand_string") or "unknown processor",
        architecture=platform.machine(),
        features=tuple(dict.fromkeys(features)),
        physical_cores=int(sysctl("hw.physicalcpu") or logical),
        logical_cores=logical,
        host_cores=logical,
    )


def sysctl(key: str) -> str:
    """The value of a macOS kernel variable; "" where there is none."""
    try:
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()
