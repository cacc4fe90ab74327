"""`python -m benchmarks.serving [--layers N --width N]`: see the package."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import sampling
from benchmarks.serving.llama_class import LlamaClassServer
from benchmarks.serving.llama_server import LlamaServer
from benchmarks.serving.loads import LOADS, Figures, Load, beside_a_long_prompt, decoding
from benchmarks.serving.minerva import MinervaServer
from benchmarks.serving.server import CONTEXT_WINDOW, Server
from tests.made_models import write_random_model

Start = Callable[[], Server]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        model = write_random_model(
            Path(folder) / "bench.gguf",
            layers=options.layers,
            width=options.width,
            context_length=CONTEXT_WINDOW,
            printable=True,
            head_size=64,
            kv_heads=3,
            inner=1536,
            quantized=True,
        )
        servers = [start() for start in _servers(model)]
        try:
            _print(_measured(servers, rounds=options.rounds))
        finally:
            for server in servers:
                server.close()
    sampling.main()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--width", type=int, default=576)
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    return parser.parse_args()


def _servers(model: Path) -> list[Start]:
    servers: list[Start] = [lambda: MinervaServer(model)]
    if program := os.environ.get("LLAMA_SERVER"):
        servers.append(lambda: LlamaServer(model, Path(program)))
    return [*servers, lambda: LlamaClassServer(model)]


def _measured(servers: list[Server], *, rounds: int) -> dict[str, Figures]:
    """In turns, as a shared machine is faster at one time than at another."""
    for server in servers:
        decoding(server)  # not counted: the first steps read the weights
    figures: dict[str, dict[str, list[float]]] = {server.name: {} for server in servers}
    for load in LOADS:
        for number in range(1 if load is beside_a_long_prompt else rounds):
            for server in servers:
                if _is_wanted(load, server, number):
                    _note(figures[server.name], server, load)
    return {
        name: {figure: statistics.median(values) for figure, values in measured.items()}
        for name, measured in figures.items()
    }


def _is_wanted(load: Load, server: Server, number: int) -> bool:
    """The class has one sequence at a time: it takes long, and has no streams beside a prompt."""
    is_class = isinstance(server, LlamaClassServer)
    return not is_class or (number == 0 and load is not beside_a_long_prompt)


def _note(figures: dict[str, list[float]], server: Server, load: Load) -> None:
    for figure, value in load(server).items():
        print(f"  {server.name}: {figure} {value:.2f}", flush=True)
        figures.setdefault(figure, []).append(value)


def _print(measured: dict[str, Figures]) -> None:
    """The last columns: Minerva's figure to that of the others."""
    minerva, *others = measured
    print(f"\n{'':52}" + "".join(f"{name:>14}" for name in measured), end="")
    print("".join(f"{'to ' + name:>16}" for name in others))
    for figure, value in measured[minerva].items():
        print(f"{figure:52}{value:>14.2f}", end="")
        print("".join(_cell(measured[name].get(figure)) for name in others), end="")
        print("".join(_ratio(value, measured[name].get(figure)) for name in others))


def _cell(value: float | None) -> str:
    return f"{'-':>14}" if value is None else f"{value:>14.2f}"


def _ratio(own: float, other: float | None) -> str:
    return f"{'-':>16}" if other is None else f"{own / other:>15.2f}x"


if __name__ == "__main__":
    main()
