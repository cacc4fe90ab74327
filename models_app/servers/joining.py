"""A server comes, says what it offers, is asked again, and goes; with it its models in the catalog."""

from __future__ import annotations

import logging
from collections.abc import Collection

from django.db import transaction
from django.utils import timezone

from inference.gguf_metadata import one_line
from models_app import loading
from models_app.loading import LoadState
from models_app.models import CatalogEntry
from models_app.servers.address import candidates, host_of, is_same_origin
from models_app.servers.asking import ask
from models_app.servers.offer import follow, offer_of, stored
from models_app.servers.problem import ServerProblem
from models_app.servers.record import NAME_LENGTH, RemoteServer

logger = logging.getLogger(__name__)


def join(*, name: str, address: str, key: str) -> RemoteServer:
    """Asks it first: what does not answer is not kept. Raises ServerProblem, InferenceError."""
    server = RemoteServer()
    _become(server, name=name, addresses=candidates(address), key=key)
    server.save(force_insert=True)
    logger.info("server added server=%s models=%d", server.pk, len(server.offered))
    return server


def change(server: RemoteServer, *, name: str, address: str, key: str) -> None:
    """Kept once it answers there, with its models. The stored key stays where none is given, and goes to
    no other host than the one it was given for. Raises ServerProblem, InferenceError."""
    addresses = candidates(address)
    key = key or (server.key if is_same_origin(addresses[0], server.base_url) else "")
    _become(server, name=name, addresses=addresses, key=key)
    server.save()
    follow(server)
    logger.info("server changed server=%s models=%d", server.pk, len(server.offered))


def look_again(server: RemoteServer) -> None:
    """What it says now, or why it says nothing, is on its row afterwards."""
    try:
        _, offer = ask([server.base_url], server.key)
    except ServerProblem as problem:
        server.note_problem(str(problem), timezone.now())
    else:
        server.note_answer(stored(offer), timezone.now())
    server.save(update_fields=["offered", "problem", "last_checked_at"])
    if not server.problem:
        follow(server)


def choose(server: RemoteServer, names: Collection[str]) -> None:
    """These of its models are in the catalog from now on, and no others. Raises ServerProblem."""
    offer = {one.name: one for one in offer_of(server)}
    known = {entry.remote_name: entry for entry in server.entries.all()}
    _drop(server, [entry for name, entry in known.items() if name not in names])
    for name in names:
        if name in offer and name not in known:
            CatalogEntry.objects.create(
                server=server,
                remote_name=name,
                path=f"remote:{server.pk}/{name}",
                name=one_line(name, limit=255) or server.name,
                has_chat_template=True,
                **offer[name].facts,
            )


def remove(server: RemoteServer) -> None:
    """With its models. Raises ServerProblem."""
    _drop(server, list(server.entries.all()))
    server.delete()
    logger.info("server removed server=%s", server.pk)


def _become(server: RemoteServer, *, name: str, addresses: list[str], key: str) -> None:
    """What is given holds for it, as far as it answers so. Not saved. Raises ServerProblem."""
    name = name.strip() or host_of(addresses[0])
    _check_name(name)
    _refuse_twice(name, addresses, but=server)
    base_url, offer = ask(addresses, key)
    server.name, server.base_url = name, base_url
    server.keep_key(key)
    server.note_answer(stored(offer), timezone.now())


def _check_name(name: str) -> None:
    if len(name) > NAME_LENGTH or not name.isprintable():
        raise ServerProblem(f"A name is one line of at most {NAME_LENGTH} characters. Shorten it.")


def _refuse_twice(name: str, addresses: list[str], *, but: RemoteServer) -> None:
    others = RemoteServer.objects.exclude(pk=but.pk)
    same = others.filter(base_url__in=addresses).first()
    if same is not None:
        raise ServerProblem(f"This server is here already: it is called {same.name}.")
    if others.filter(name__iexact=name).exists():
        raise ServerProblem(f"Another server is called {name}. Give this one another name.")


def _drop(server: RemoteServer, entries: list[CatalogEntry]) -> None:
    """Nobody is cut off in mid-answer."""
    if not entries:
        return
    service = loading.service_status()
    if service is None:
        raise ServerProblem(f"{loading.SERVICE_UNREACHABLE} Nothing was removed.")
    states = {entry.pk: loading.status_of(entry, service) for entry in entries}
    for entry in entries:
        now = states[entry.pk].status
        if now is not None and now.num_running + now.num_waiting:
            raise ServerProblem(
                f"{entry.name} is writing an answer. Wait for its end, then remove it."
            )
    for entry in entries:
        if states[entry.pk].state in (LoadState.LOADING, LoadState.READY, LoadState.FAILED):
            loading.unload(entry)
    with transaction.atomic():
        server.entries.filter(pk__in=list(states)).delete()
