"""`manage.py doctor`: what this machine has, what was built, and how to get more out of it."""

from __future__ import annotations

import json
import textwrap
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from minerva_site.advice import advice
from minerva_site.examination import Examination, examine

Rows = list[tuple[str, str]]
LABEL_WIDTH = 18


class Command(BaseCommand):
    help = "Print what this machine has, which engines are usable, and what to do about the rest."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print it for a program")

    def handle(self, *args: Any, **options: Any) -> None:
        found = examine(
            data_dir=settings.DATA_DIR,
            model_dirs=settings.MODEL_DIRS,
            mlx_python=settings.CONFIGURATION.mlx_python,
        )
        self.stdout.write(as_json(found) if options["json"] else as_text(found))


def as_json(found: Examination) -> str:
    engines = [asdict(engine) for engine in found.engines]
    facts = asdict(found) | {"engines": engines, "advice": advice(found)}
    return json.dumps(facts, indent=2, default=str)


def as_text(found: Examination) -> str:
    sections = {
        "Machine": _machine(found),
        "Graphics": _graphics(found),
        "llama.cpp": _llama(found),
        "Engines": [
            (engine.name, f"{'usable' if engine.usable else 'not usable'}: {engine.explanation}")
            for engine in found.engines
        ],
        "Storage": _storage(found),
        "Versions": list(found.versions.items()),
    }
    parts = [_section(title, rows) for title, rows in sections.items()]
    return "\n\n".join([*parts, _advice(advice(found))])


def _section(title: str, rows: Rows) -> str:
    return "\n".join([title, *(_row(label, value) for label, value in rows)])


def _row(label: str, value: str) -> str:
    return textwrap.fill(
        value,
        width=100,
        initial_indent=f"  {label:<{LABEL_WIDTH}}",
        subsequent_indent=" " * (LABEL_WIDTH + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _advice(hints: list[str]) -> str:
    if not hints:
        return "What to do\n  Nothing: all is as it should be."
    items = (
        textwrap.fill(hint, width=100, initial_indent="  * ", subsequent_indent="    ")
        for hint in hints
    )
    return "\n".join(["What to do", *items])


def _machine(found: Examination) -> Rows:
    cpu, memory = found.machine.cpu, found.machine.memory
    cores = f"{cpu.physical_cores} physical, {cpu.logical_cores} logical"
    if cpu.logical_cores < cpu.host_cores:
        cores += f" for this process, of {cpu.host_cores} in the machine"
    limited = ", limited by a control group" if memory.limited else ""
    return [
        ("Processor", f"{cpu.name} ({cpu.architecture})"),
        ("Instructions", ", ".join(cpu.features) or "none of those that speed up a model"),
        ("Cores", cores),
        ("Memory", f"{_gb(memory.total)}{limited}; {_gb(memory.available)} available"),
    ]


def _graphics(found: Examination) -> Rows:
    cuda = found.machine.cuda
    rows = [
        (
            "GPU",
            f"{gpu.name}, {_gb(gpu.memory)}" + (f", driver {gpu.driver}" if gpu.driver else ""),
        )
        for gpu in found.machine.gpus
    ]
    toolkit = f"{cuda.toolkit or 'of unknown version'} ({cuda.compiler})"
    return [
        *(rows or [("GPU", "none")]),
        ("NVIDIA driver", cuda.gpus[0].driver if cuda.gpus else f"none: {cuda.problem}"),
        ("CUDA toolkit", toolkit if cuda.compiler else "none (no nvcc)"),
    ]


def _llama(found: Examination) -> Rows:
    if found.llama is None:
        return [("Problem", found.llama_problem)]
    return [
        ("llama-cpp-python", found.llama.version),
        ("Built for", " and ".join([*found.llama.accelerators, "CPU"])),
        ("Instructions", ", ".join(found.llama.features)),
        ("GPU offload", "yes" if found.llama.gpu_offload else "no"),
        ("AMX", _amx(found)),
    ]


def _amx(found: Examination) -> str:
    if not found.machine.cpu.has_amx:
        return "this processor has none"
    if found.llama is not None and found.llama.has_amx:
        return "in the processor and in the build: models will crash, see below"
    return "in the processor, left out of the build on purpose (llama.cpp crashes with it)"


def _storage(found: Examination) -> Rows:
    storage = found.storage
    state = "" if storage.exists else " (made at the first start)"
    return [
        ("Data folder", f"{storage.data_dir}{state}"),
        ("Free space", _gb(storage.free)),
        *(("Models", str(path)) for path in storage.model_dirs),
    ]


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
