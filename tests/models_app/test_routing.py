"""Who answers in a model's place: what may be chosen, for whom it holds, and what a model's page says."""

from __future__ import annotations

import asyncio
import html
import itertools
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from inference.service import service as service_module
from inference.service.server import Server
from inference.service.service import InferenceService
from inference.service.settings import ServiceSettings
from models_app import catalog, loading, routing
from models_app.loading import LoadState
from models_app.models import CatalogEntry, ModelGrant
from models_app.tuning import ModelSettings
from tests.models_app.conftest import wait_for

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def entries(write: Any) -> dict[str, CatalogEntry]:
    for name in "abcde":
        write(f"{name}.gguf", name=name)
    catalog.scan()
    return {entry.name: entry for entry in CatalogEntry.objects.all()}


def chain(entries: dict[str, CatalogEntry], names: str) -> CatalogEntry:
    """Each of these models has the next as its fallback."""
    for one, other in itertools.pairwise(names):
        ModelSettings.objects.create(entry=entries[one], fallback=entries[other])
    return CatalogEntry.objects.select_related("own").get(pk=entries[names[0]].pk)


def names_of(entry: CatalogEntry, user: User) -> list[str]:
    usable = CatalogEntry.objects.for_chat().usable_by(user)
    spec = routing.routed_spec(entry, routing.among(usable))
    return [link.name for link in routing.chain_of(spec)]


def choose(client: Client, entry: CatalogEntry, other: CatalogEntry) -> str:
    response = client.post(reverse("models:settings", args=[entry.pk]), {"fallback": other.pk})
    return html.unescape(response.content.decode())


@pytest.fixture
def ada(staff: Client) -> User:
    return User.objects.get(username="ada")


# -- the setting --------------------------------------------------------------------------------------


def test_a_chosen_model_is_stored_and_part_of_what_is_asked_for(entries, staff, ada, settings):
    choose(staff, entries["a"], entries["b"])

    stored = CatalogEntry.objects.get(pk=entries["a"].pk)
    assert stored.settings.fallback == entries["b"]
    assert names_of(stored, ada) == ["a", "b"]
    assert stored.spec.fallback is None


def test_a_circle_is_refused_with_its_names(entries, staff):
    chain(entries, "bca")

    assert "circle: a → b → c → a" in choose(staff, entries["a"], entries["b"])
    assert not ModelSettings.objects.filter(entry=entries["a"]).exists()


def test_a_chain_of_more_than_three_others_is_refused(entries, staff):
    chain(entries, "bcde")

    assert "more than 3 others" in choose(staff, entries["a"], entries["b"])


def test_itself_and_models_that_are_broken_are_not_offered(entries):
    CatalogEntry.objects.filter(name="e").update(problem="It is cut.")

    assert [one.name for one in routing.candidates(entries["a"])] == ["b", "c", "d"]


def test_a_circle_that_came_about_otherwise_ends_where_it_began(entries, ada):
    assert names_of(chain(entries, "aba"[:2]), ada) == ["a", "b"]
    ModelSettings.objects.create(entry=entries["b"], fallback=entries["a"])

    entry = CatalogEntry.objects.get(pk=entries["a"].pk)
    assert names_of(entry, ada) == ["a", "b"]


def test_nobody_gets_an_answer_of_a_model_that_is_not_for_them(entries, member, ada):
    group = Group.objects.create(name="lawyers")
    ModelGrant.objects.create(entry=entries["b"], group=group)
    entry = chain(entries, "abc")
    bob = User.objects.get(username="bob")

    assert names_of(entry, bob) == ["a"]
    assert names_of(entry, ada) == ["a", "b", "c"]
    bob.groups.add(group)
    assert names_of(entry, bob) == ["a", "b", "c"]


def test_a_fallback_that_is_gone_is_none(entries, ada):
    entry = chain(entries, "ab")
    CatalogEntry.objects.filter(name="b").update(is_missing=True)

    assert names_of(entry, ada) == ["a"]


def test_a_model_without_a_fallback_costs_no_query(entries, ada):
    from django.db import connection

    entry = CatalogEntry.objects.select_related("own").get(pk=entries["a"].pk)
    find = routing.among(CatalogEntry.objects.for_chat().usable_by(ada))
    with CaptureQueriesContext(connection) as captured:
        routing.routed_spec(entry, find)

    assert len(captured) == 0


# -- the page -----------------------------------------------------------------------------------------


@pytest.fixture
def faulty(request: Any, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """A service in this process, which takes itself to have a GPU, with runners of a fault."""
    monkeypatch.setattr(service_module, "has_gpu_build", lambda: True)
    command = (sys.executable, "-P", "-m", "tests.process.faulty_runner", request.param)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve(socket: Path) -> None:
        service = InferenceService(ServiceSettings(socket=socket, runner_command=command))
        async with Server(service, socket):
            await stop.wait()
            await service.shut_down()

    with tempfile.TemporaryDirectory(prefix="mnv-") as place:
        settings.INFERENCE_SOCKET = Path(place) / "s.sock"
        thread = threading.Thread(
            target=loop.run_until_complete, args=[serve(settings.INFERENCE_SOCKET)]
        )
        thread.start()
        wait_for(settings.INFERENCE_SOCKET.exists, what="the socket")
        yield
        loop.call_soon_threadsafe(stop.set)
        thread.join()
    loop.close()


def shown(client: Client, entry: CatalogEntry) -> str:
    response = client.get(reverse("models:status", args=[entry.pk]), headers=HTMX)
    return html.unescape(response.content.decode())


def state_of(entry: CatalogEntry) -> LoadState:
    return loading.status_of(entry, loading.service_status()).state


@pytest.mark.parametrize("faulty", ["no_gpu"], indirect=True)
def test_the_badge_says_why_a_model_is_not_on_the_gpu(faulty, entries, staff):
    entry = entries["a"]
    loading.load(entry)
    wait_for(lambda: state_of(entry) is LoadState.READY, what="the model")

    page = shown(staff, entry)

    assert "CPU: it could not be loaded on the GPU" in page
    assert "Not on the GPU with all layers: There is not enough memory." in page


@pytest.mark.parametrize("faulty", ["picky"], indirect=True)
def test_the_page_tells_what_was_made_of_failures_and_its_button_tries_now(faulty, write, staff):
    write("broken.gguf", name="broken")
    catalog.scan()
    entry = CatalogEntry.objects.get()
    assert "Half-open" not in shown(staff, entry)
    for number in range(1, 5):
        loading.load(entry)
        wait_for(lambda n=number: num_failures(entry) == n, what="the failure")  # type: ignore[misc]

    page = shown(staff, entry)
    assert '<li aria-current="step"><strong>Open</strong>' in page
    assert "It is left alone after 4 failures" in page
    assert page.count("There is not enough memory.") == 5  # the state's reason, and each failure
    assert "Try now" in page

    staff.post(reverse("models:load", args=[entry.pk]), headers=HTMX)
    wait_for(lambda: num_failures(entry) == 1, what="the next try")
    page = shown(staff, entry)
    assert '<li aria-current="step"><strong>Closed</strong>' in page
    assert "Retry" in page


def num_failures(entry: CatalogEntry) -> int:
    service = loading.service_status()
    assert service is not None
    return sum(
        len(model.breaker.failures)
        for model in service.models
        if model.state == "failed" and model.model_id == str(entry.pk)
    )
