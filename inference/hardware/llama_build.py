"""What llama.cpp was built with, asked in a child process: only runners may import llama_cpp.

A child also survives the telling faults: a library built for another processor dies of SIGILL.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass

QUESTION = """
import json, pathlib, llama_cpp
print(json.dumps({
    "version": llama_cpp.__version__,
    "system_info": llama_cpp.llama_print_system_info().decode(),
    "gpu_offload": bool(llama_cpp.llama_supports_gpu_offload()),
    "libraries": [path.name for path in (pathlib.Path(llama_cpp.__file__).parent / "lib").iterdir()],
}))
"""
ACCELERATORS = {"cuda": "CUDA", "metal": "Metal", "vulkan": "Vulkan", "hip": "ROCm", "sycl": "SYCL"}


@dataclass(frozen=True)
class LlamaBuild:
    """`features`: instructions compiled in, in llama.cpp's own words. `accelerators`: "CUDA", …"""

    version: str
    features: tuple[str, ...]
    accelerators: tuple[str, ...]
    gpu_offload: bool

    @property
    def has_amx(self) -> bool:
        return "AMX_INT8" in self.features


class LlamaUnusable(Exception):
    """llama_cpp cannot be imported. The text is one sentence with the reason."""


def probe_llama_build(python: str = sys.executable) -> LlamaBuild:
    """Raises LlamaUnusable."""
    try:
        answer = subprocess.run(
            [python, "-c", QUESTION], capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LlamaUnusable("llama.cpp does not answer within 60 s.") from error
    if answer.returncode != 0:
        raise LlamaUnusable(_reason(answer.returncode, answer.stderr))
    return build_from(answer.stdout)


def build_from(answer: str) -> LlamaBuild:
    # llama.cpp may print lines of its own (the CUDA devices it found) before ours
    facts = json.loads(answer.strip().splitlines()[-1])
    libraries = " ".join(facts["libraries"])
    return LlamaBuild(
        version=facts["version"],
        features=tuple(re.findall(r"(\w+) = 1", facts["system_info"])),
        accelerators=tuple(
            name for key, name in ACCELERATORS.items() if f"ggml-{key}." in libraries
        ),
        gpu_offload=facts["gpu_offload"],
    )


def _reason(code: int, stderr: str) -> str:
    if code == -signal.SIGILL:
        return "llama.cpp was built for another processor (illegal instruction)."
    if code < 0:
        return f"llama.cpp crashed when it was loaded ({signal.Signals(-code).name})."
    if "No module named 'llama_cpp'" in stderr:
        return "llama-cpp-python is not installed."
    last = stderr.strip().splitlines()
    return f"llama.cpp cannot be loaded: {last[-1] if last else f'exit status {code}'}"
