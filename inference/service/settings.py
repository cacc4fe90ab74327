"""How the service was started: `python -m inference …` as one frozen value."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from inference.hardware.mlx_install import DEFAULT_PYTHON
from inference.types import KVCacheType

RUNNER_COMMAND = (sys.executable, "-P", "-m", "inference.runner")


@dataclass(frozen=True)
class ServiceSettings:
    """`context_window` 0: as memory allows. `threads` 0: one a physical core. `gpu_layers` -1: all. `idle_unload_seconds` 0: never.

    `mlx_python`: the interpreter that has MLX. `runner_command`: the program of a runner, which `--fd N` is appended to.
    """

    socket: Path
    context_window: int = 8192
    max_sequences: int = 8
    max_per_user: int = 0
    threads: int = 0
    gpu_layers: int = -1
    idle_unload_seconds: int = 900
    kv_cache_type: KVCacheType = "f16"
    prompt_cache_mib: int = 512
    share_system_prompts: bool = True
    speculation: bool = True
    draft_model: str = ""
    memory_record: Path | None = None
    mlx_python: Path = DEFAULT_PYTHON
    runner_command: tuple[str, ...] = RUNNER_COMMAND


def parse_settings(arguments: Sequence[str]) -> ServiceSettings:
    """Raises SystemExit with the usage, as a command does."""
    defaults = ServiceSettings(socket=Path())
    parser = ArgumentParser(prog="python -m inference", description="Minerva's inference service.")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket to answer at")
    for name, least, meaning in (
        ("context_window", 0, "largest context window of a model, in tokens; 0: as memory allows"),
        ("max_sequences", 1, "sequences one model computes together"),
        ("max_per_user", 0, "sequences of one user computed together; 0: no limit"),
        ("threads", 0, "threads a model computes with; 0: one a physical core"),
        ("gpu_layers", -1, "layers put on the GPU; -1: all, 0: none"),
        ("prompt_cache_mib", 0, "memory for ended chats of one model, in MiB; 0: none"),
        ("idle_unload_seconds", 0, "unload a model after this long without use; 0: never"),
    ):
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_at_least(least),
            default=getattr(defaults, name),
            help=meaning,
        )
    parser.add_argument(
        "--kv-cache-type",
        choices=get_args(KVCacheType),
        default=defaults.kv_cache_type,
        help="how precisely the KV cache is kept",
    )
    parser.add_argument(
        "--private-system-prompts",
        dest="share_system_prompts",
        action="store_false",
        help="compute the same system prompt anew for each user",
    )
    parser.add_argument(
        "--no-speculation",
        dest="speculation",
        action="store_false",
        help="never guess what comes next",
    )
    parser.add_argument(
        "--draft-model", default="", help="path of a small model that guesses for larger ones"
    )
    parser.add_argument(
        "--memory-record", type=Path, help="file that keeps what models really took"
    )
    parser.add_argument(
        "--mlx-python", type=Path, default=defaults.mlx_python, help="the interpreter that has MLX"
    )
    return ServiceSettings(**vars(parser.parse_args(arguments)))


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise ArgumentTypeError(f"must be at least {least}")
        return int(text)

    return number
