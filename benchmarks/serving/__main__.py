"""`python -m benchmarks.serving [--layers N --width N]`: see the package."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.serving.llama_class import LlamaClassServer
from benchmarks.serving.llama_server import LlamaServer
from benchmarks.serving.loads import LOADS, Figures, beside_a_long_prompt, decoding
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
        _print({name: _measured(start) for name, start in _servers(model).items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--width", type=int, default=576)
    return parser.parse_args()


def _servers(model: Path) -> dict[str, Start]:
    """One after the other, as each wants all cores."""
    servers: dict[str, Start] = {MinervaServer.name: lambda: MinervaServer(model)}
    if program := os.environ.get("LLAMA_SERVER"):
        servers[LlamaServer.name] = lambda: LlamaServer(model, Path(program))
    return servers | {LlamaClassServer.name: lambda: LlamaClassServer(model)}


def _measured(start: Start) -> Figures:
    server = start()
    try:
        decoding(server)  # not counted: the first steps read the weights
        figures: Figures = {}
        for load in LOADS:
            if load is beside_a_long_prompt and isinstance(server, LlamaClassServer):
                continue  # it has one sequence at a time: there are no streams beside it
            new = load(server)
            print("\n".join(f"  {server.name}: {name} {new[name]:.2f}" for name in new), flush=True)
            figures |= new
        return figures
    finally:
        server.close()


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
