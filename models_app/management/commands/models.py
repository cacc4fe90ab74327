"""`manage.py models`: the model manager on the command line, by the same code as the pages."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inference.errors import InferenceError
from models_app import catalog, importing, loading, naming, removal
from models_app.benchmarks import following as measuring
from models_app.benchmarks import states as benchmarks
from models_app.benchmarks.record import Benchmark, BenchmarkState
from models_app.downloads import following
from models_app.downloads.storage import DiskFull
from models_app.hub.errors import HubError
from models_app.loading import LoadState
from models_app.models import CatalogEntry, Download, DownloadState
from models_app.templatetags.quantities import duration, parameters, precise, rate, size

LOOK_SECONDS = 0.2


class Command(BaseCommand):
    help = "List, download, import, load, measure, unload and delete models."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="what is on this machine, and what is loaded")
        pull = actions.add_parser("pull", help="download a model; Ctrl-C pauses it")
        pull.add_argument("name", help="owner/name, owner/name:QUANTISATION, or an address")
        pull.add_argument("--sha256", default="", help="of the file at a plain address")
        take = actions.add_parser("import", help="copy a GGUF file into the models folder")
        take.add_argument("path", type=Path)
        for action, meaning in (
            ("load", "load a model, and wait until it answers"),
            ("unload", "take a model out of memory"),
            ("bench", "measure how fast a model is here; Ctrl-C cancels it"),
            ("rm", "delete a model's files"),
        ):
            actions.add_parser(action, help=meaning).add_argument("model", help="its name or file")

    def handle(self, *args: Any, **options: Any) -> None:
        run: dict[str, Callable[[], None]] = {
            "list": self._list,
            "pull": lambda: self._pull(options["name"], options["sha256"]),
            "import": lambda: self._import(options["path"]),
            "load": lambda: self._load(_entry(options["model"])),
            "unload": lambda: self._unload(_entry(options["model"])),
            "bench": lambda: self._measure(_entry(options["model"])),
            "rm": lambda: self._remove(_entry(options["model"])),
        }
        try:
            run[options["action"]]()
        except (InferenceError, HubError, DiskFull) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The disk refused it: {error.strerror or error}.") from error

    def _list(self) -> None:
        catalog.scan()
        service = loading.service_status()
        rows = [("NAME", "STATE", "SIZE", "PARAMETERS", "QUANTISATION", "FILE")]
        for entry in CatalogEntry.objects.present():
            state = loading.status_of(entry, service).label
            rows.append((entry.name, state, *_place(entry)))
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())

    def _pull(self, name: str, sha256: str) -> None:
        download = following.begin(name, sha256=sha256)
        try:
            for now in following.follow(download):
                self._say_over(_progress(now))
        except KeyboardInterrupt:
            following.pause(download)
            raise CommandError("Paused. The same command goes on from here.") from None
        self.stdout.write("")
        download.refresh_from_db()
        if download.state != DownloadState.READY:
            raise CommandError(download.reason or f"It is {download.label.lower()}.")
        self.stdout.write(f"{download} is ready.")

    def _import(self, path: Path) -> None:
        place = importing.take(path.expanduser())
        self.stdout.write(f"Imported to {place}.")

    def _load(self, entry: CatalogEntry) -> None:
        loading.load(entry)
        while True:
            status = loading.status_of(entry, loading.service_status())
            if status.state is LoadState.READY and status.status:
                self.stdout.write(f"{entry.name} is loaded on {status.status.device}.")
                return
            if status.state in (LoadState.FAILED, LoadState.UNKNOWN):
                raise CommandError(status.reason)
            time.sleep(LOOK_SECONDS)

    def _unload(self, entry: CatalogEntry) -> None:
        loading.unload(entry)
        while _is_in_memory(entry):
            time.sleep(LOOK_SECONDS)
        self.stdout.write(f"{entry.name} is unloaded.")

    def _measure(self, entry: CatalogEntry) -> None:
        if not entry.is_usable:
            raise CommandError(entry.problem or "The file of this model is no longer there.")
        if entry.is_remote:
            raise CommandError(f"{entry.name} is computed on {entry.server}. Measure it there.")
        benchmark = benchmarks.request(entry)
        try:
            for now in measuring.follow(benchmark):
                self._say_over(f"{now.label} {now.percent} %: {now.step}")
        except KeyboardInterrupt:
            measuring.cancel(benchmark)
            raise CommandError("Cancelled.") from None
        self.stdout.write("")
        if benchmark.state != BenchmarkState.DONE:
            raise CommandError(benchmark.reason or f"It is {benchmark.label.lower()}.")
        for line in _figures(benchmark):
            self.stdout.write(line)

    def _remove(self, entry: CatalogEntry) -> None:
        num_bytes = removal.regained_bytes(entry)
        removal.remove(entry)
        self.stdout.write(
            f"{entry.name} is deleted: {size(num_bytes)}. The page Models brings it back for ten minutes."
        )

    def _say_over(self, line: str) -> None:
        """In the place of the line before, where a person looks at it."""
        if self.stdout.isatty():
            self.stdout.write(f"\r{line:<78}", ending="")
            self.stdout.flush()


def _place(entry: CatalogEntry) -> tuple[str, str, str, str]:
    """Its columns from SIZE on: what only a file has is left out for a model of another server."""
    if entry.server:
        return ("-", "-", "-", f"on {entry.server.name}")
    numbers = (size(entry.size), parameters(entry.num_parameters))
    return (*numbers, entry.quantization, entry.file_name)


def _is_in_memory(entry: CatalogEntry) -> bool:
    """Its process is there, if only to end."""
    status = loading.status_of(entry, loading.service_status())
    return status.can_unload or status.is_changing


def _entry(name: str) -> CatalogEntry:
    """By its name, its file's name or its path; raises CommandError unless it is exactly one."""
    catalog.scan()
    found = naming.all_named(name)
    if len(found) == 1:
        return found[0]
    if found:
        files = ", ".join(one.path for one in found)
        raise CommandError(f"Several models are called {name}. Name the file: {files}.")
    raise CommandError(f"There is no model {name}. `manage.py models list` shows what there is.")


def _figures(one: Benchmark) -> list[str]:
    figures = [("loading", f"{precise(one.load_seconds or 0.0)} s")]
    for speed in one.prompts.all():
        name = f"reading {speed.num_tokens} tokens"
        figures.append((name, f"{rate(speed.tokens_per_second)} tokens/s"))
    if one.first_token_seconds is not None:
        figures.append(("first token", f"{precise(one.first_token_seconds)} s"))
    if one.tokens_per_second:
        figures.append(("writing", f"{rate(one.tokens_per_second)} tokens/s"))
    figures += [("memory", size(one.memory)), ("device", one.placement), ("engine", one.engine)]
    if one.disturbance:
        figures.append(("too low", f"{one.disturbance} Measure again when the machine is idle."))
    width = max(len(name) for name, _ in figures)
    return [f"{name.ljust(width)}  {value}" for name, value in figures]


def _progress(download: Download) -> str:
    parts = [download.label]
    if download.total_bytes:
        parts.append(f"{size(download.done_bytes)} of {size(download.total_bytes)}")
    if download.bytes_per_second:
        parts.append(f"{size(download.bytes_per_second)}/s")
    if download.seconds_left is not None:
        parts.append(f"{duration(download.seconds_left)} left")
    return ", ".join(parts)
