"""A download that a command waits for: the worker does it, or this process if there is none."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Iterator

from django.conf import settings
from django.db import connection

from inference.hardware.mlx_install import mlx_problem
from models_app.downloads import job, states
from models_app.downloads.resolving import file_name_of
from models_app.fit import fit_of, room_here
from models_app.hub.errors import NotFound
from models_app.hub.quality import recommended
from models_app.hub.reference import Reference, parse_reference
from models_app.hub.repository import Repository, Variant
from models_app.hub.settings import hub
from models_app.models import Download, DownloadState

LOOK_SECONDS = 0.25
SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def begin(name: str, *, sha256: str = "") -> Download:
    """By `owner/name[:QUANT]`, an address of the hub, or any other with its SHA-256. What was paused or
    has failed goes on. Raises HubError."""
    source = hub()
    reference = parse_reference(name, hub_host=source.host)
    if not reference.repository:
        return _of_address(name, sha256)
    found = source.repository(reference.repository)
    variant = found.named(reference.quant, reference.file) or _suitable(found, reference)
    return _going_on(repository=found.name, variant=variant.label)


def follow(download: Download) -> Iterator[Download]:
    """Its state now and then, until it changes no more."""
    owner = uuid.uuid4().hex
    while True:
        download.refresh_from_db()
        yield download
        if not download.is_active:
            return
        if download.state == DownloadState.QUEUED:
            _work_beside(owner)
        time.sleep(LOOK_SECONDS)


def pause(download: Download) -> None:
    states.pause(download.pk)


def _suitable(found: Repository, reference: Reference) -> Variant:
    """What is recommended for this machine, unless one was named that is not there."""
    room = room_here()
    runnable = [
        one
        for one in found.variants
        if fit_of(one.size, num_parameters=found.num_parameters, room=room).runs
    ]
    best = None if reference.quant or reference.file else recommended(runnable) or _folder(found)
    if best is None:
        there = ", ".join(one.label for one in found.models) or "none that Minerva takes"
        raise NotFound(f"{found.name} has no such model that runs here. It has: {there}.")
    return best


def _folder(found: Repository) -> Variant | None:
    """What MLX runs, where it is set up."""
    return None if mlx_problem(settings.CONFIGURATION.mlx_python) else found.folder


def _work_beside(owner: str) -> None:
    """Unless a worker takes it first, who has the same claim to it."""
    if any(thread.name == owner for thread in threading.enumerate()):
        return

    def work() -> None:
        try:
            job.run_next(owner)
        finally:
            connection.close()

    threading.Thread(target=work, name=owner, daemon=True).start()


def _of_address(address: str, sha256: str) -> Download:
    if not re.match(r"https?://", address):
        raise NotFound("Name it as owner/name, owner/name:QUANTISATION, or by an address.")
    if not SHA256.fullmatch(sha256):
        raise NotFound("A plain address needs the file's checksum: --sha256 and 64 digits.")
    file_name_of(address)
    return _going_on(url=f"{address}#sha256:{sha256.lower()}")


def _going_on(*, repository: str = "", variant: str = "", url: str = "") -> Download:
    same = Download.objects.filter(repository=repository, variant=variant, url=url)
    failed = same.filter(state=DownloadState.FAILED).first()
    download = failed or states.request(repository=repository, variant=variant, url=url)
    if download.can_go_on:
        states.go_on(download.pk)
    return download
