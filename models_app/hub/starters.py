"""Models to begin with, by what they are for and how large a machine they want: shown before any
search, also without a network. Sizes are those of the named variants, rounded."""

from __future__ import annotations

from dataclasses import dataclass, field

from models_app.hub.hub_files import FOLDER
from models_app.hub.repository import Capability, Repository
from models_app.hub.search import Format, Search

GB = 10**9


THINKS = (Capability.CHAT, Capability.TOOLS, Capability.REASONING)


@dataclass(frozen=True)
class Starter:
    repository: str
    variant: str
    name: str
    purpose: str
    size: int
    num_parameters: int
    capabilities: tuple[Capability, ...] = (Capability.CHAT,)
    license: str = "apache-2.0"
    format: Format = field(default=Format.GGUF)

    def passes(self, search: Search) -> bool:
        """As if it had been found, in whichever format."""
        told = Repository(
            self.repository,
            "",
            (),
            license=self.license,
            num_parameters=self.num_parameters,
            capabilities=self.capabilities,
        )
        is_able = not search.task or Capability(search.task.value) in self.capabilities
        return is_able and search.takes(told)


STARTERS = (
    Starter(
        "Qwen/Qwen3-0.6B-GGUF",
        "Q8_0",
        "Qwen3 0.6B",
        "Tiny and quick: first tries, any machine",
        int(0.64 * GB),
        600_000_000,
        THINKS,
    ),
    Starter(
        "Qwen/Qwen3-1.7B-GGUF",
        "Q8_0",
        "Qwen3 1.7B",
        "Short answers on a small laptop; thinks if asked to",
        int(1.83 * GB),
        1_700_000_000,
        THINKS,
    ),
    Starter(
        "ggml-org/gemma-3-4b-it-GGUF",
        "Q4_K_M",
        "Gemma 3 4B",
        "Writing and everyday questions in many languages",
        int(2.49 * GB),
        3_900_000_000,
        (Capability.CHAT, Capability.VISION),
        license="gemma",
    ),
    Starter(
        "Qwen/Qwen3-4B-GGUF",
        "Q4_K_M",
        "Qwen3 4B",
        "A good all-rounder for 8 GB of memory",
        int(2.5 * GB),
        4_000_000_000,
        THINKS,
    ),
    Starter(
        "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF",
        "Q4_K_M",
        "Qwen2.5 Coder 7B",
        "Programming",
        int(4.68 * GB),
        7_600_000_000,
        (Capability.CHAT, Capability.TOOLS),
    ),
    Starter(
        "Qwen/Qwen3-8B-GGUF",
        "Q4_K_M",
        "Qwen3 8B",
        "Better answers, for 16 GB of memory",
        int(5.03 * GB),
        8_200_000_000,
        THINKS,
    ),
    Starter(
        "ggml-org/gpt-oss-20b-GGUF",
        "MXFP4",
        "gpt-oss 20B",
        "Reasoning and tools; quick for its size",
        int(12.1 * GB),
        20_900_000_000,
        THINKS,
    ),
    Starter(
        "Qwen/Qwen3-30B-A3B-GGUF",
        "Q4_K_M",
        "Qwen3 30B A3B",
        "Strong and quick, for 32 GB of memory",
        int(18.6 * GB),
        30_500_000_000,
        THINKS,
    ),
    Starter(
        "nomic-ai/nomic-embed-text-v1.5-GGUF",
        "F16",
        "Nomic Embed 1.5",
        "Embeddings for programs; does not chat",
        int(0.27 * GB),
        137_000_000,
        (Capability.EMBEDDINGS,),
    ),
    Starter(
        "mlx-community/Qwen3-0.6B-4bit",
        FOLDER,
        "Qwen3 0.6B for MLX",
        "Tiny and quick: first tries, on Apple silicon",
        int(0.34 * GB),
        600_000_000,
        THINKS,
        format=Format.MLX,
    ),
    Starter(
        "mlx-community/Qwen3-4B-4bit",
        FOLDER,
        "Qwen3 4B for MLX",
        "A good all-rounder for a Mac with 8 GB of memory",
        int(2.26 * GB),
        4_000_000_000,
        THINKS,
        format=Format.MLX,
    ),
    Starter(
        "mlx-community/Qwen3-8B-4bit",
        FOLDER,
        "Qwen3 8B for MLX",
        "Better answers, for a Mac with 16 GB of memory",
        int(4.61 * GB),
        8_200_000_000,
        THINKS,
        format=Format.MLX,
    ),
)
