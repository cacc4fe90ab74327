"""Servers that are added, asked, chosen from and removed; their models in the catalog, for people and programs."""

from __future__ import annotations

import html
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from models_app import catalog
from models_app.models import CatalogEntry, RemoteServer
from models_app.naming import api_names
from models_app.servers.address import candidates
from tests.models_app.openai_server import OpenAIServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service", "folder")]

PAGE = "/models/servers/"
KEY = "sk-quetzalcoatlus"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def attic() -> Iterator[OpenAIServer]:
    server = OpenAIServer("org/llama-8b", "nomic-embed-text").start()
    yield server
    server.stop()


def add(client: Client, address: str, *, name: str = "Attic", key: str = "") -> str:
    """What the page says afterwards."""
    given = {"address": address, "name": name, "key": key}
    return html.unescape(client.post(PAGE, given, follow=True).content.decode())


def url(server: RemoteServer, action: str = "") -> str:
    return f"{PAGE}{server.pk}/{action}"


@pytest.fixture
def added(staff: Client, attic: OpenAIServer) -> RemoteServer:
    add(staff, attic.address)
    return RemoteServer.objects.get()


@pytest.fixture
def entry(staff: Client, added: RemoteServer) -> CatalogEntry:
    staff.post(url(added, "models"), {"models": ["org/llama-8b"]})
    return CatalogEntry.objects.get()


# -- adding -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["/v1", "", "/openai/v1"])
@pytest.mark.parametrize("tail", ["", "/", "/chat/completions", "/models"])
def test_an_address_is_taken_as_it_stands_in_other_programs(staff, attic, base, tail):
    attic.base = base

    page = add(staff, attic.address + tail)

    assert RemoteServer.objects.get().base_url == attic.address
    assert "org/llama-8b" in page


def test_an_address_without_v1_is_found_out(staff, attic):
    add(staff, attic.origin)

    assert RemoteServer.objects.get().base_url == f"{attic.origin}/v1"


def test_an_address_with_a_v1_that_is_not_there_is_found_out(staff, attic):
    attic.base = ""

    add(staff, f"{attic.origin}/v1")

    assert RemoteServer.objects.get().base_url == attic.origin


def test_candidates_keep_the_way_to_the_api():
    assert candidates("HTTP://Box:1/a/v1/") == ["http://box:1/a/v1", "http://box:1/a"]


def test_without_a_name_it_is_called_as_its_address(staff, attic):
    add(staff, attic.address, name="")

    assert f"http://{RemoteServer.objects.get().name}" == attic.origin


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("10.0.0.7:8000", "begins with http://"),
        ("ftp://10.0.0.7", "begins with http://"),
        ("http://me:pw@10.0.0.7/v1", "field of its own"),
        ("http://10.0.0.7/v1?key=1", "nothing after its path"),
        ("http://10.0.0.7:99999", "no address"),
        ("http://169.254.169.254/v1", "does not connect to"),
        ("http://nobody.invalid:8000", "name of the server is not known"),
    ],
)
def test_a_wrong_address_is_refused_in_words(staff, address, sentence):
    page = add(staff, address)

    assert sentence in page
    assert f'value="{address}"' in page
    assert not RemoteServer.objects.exists()


def test_a_port_where_nothing_listens(staff):
    assert "nothing answers at this port" in add(staff, f"http://127.0.0.1:{closed_port()}")


def test_https_where_there_is_none(staff, attic):
    page = add(staff, attic.address.replace("http://", "https://"))

    assert "does not speak HTTPS" in page


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, b"<html>Welcome to the router</html>", "no JSON"),
        (200, b'{"models": []}', "does not tell its models"),
        (200, b'{"data": {"id": 1}}', "does not tell its models"),
        (404, b"nothing", "not as OpenAI's API does"),
        (500, b'{"error": {"message": "<b>out of memory</b>"}}', "out of memory"),
        (200, b'{"data": [' + b" " * 9_000_000 + b"]}", "larger than any honest one"),
    ],
)
def test_what_is_no_such_api_is_refused_in_words(staff, attic, status, body, sentence):
    attic.answers = (status, body)

    assert sentence in add(staff, attic.address)
    assert not RemoteServer.objects.exists()


def test_a_server_is_added_once(staff, attic, added):
    assert "called Attic" in add(staff, f"{attic.origin}/", name="Cellar")
    assert "Another server is called attic" in add(staff, "http://127.0.0.1:1", name="attic")
    assert RemoteServer.objects.count() == 1


# -- its key ------------------------------------------------------------------------------------------


@pytest.fixture
def locked(staff: Client, attic: OpenAIServer) -> RemoteServer:
    attic.key = KEY
    add(staff, attic.address, key=KEY)
    return RemoteServer.objects.get()


def test_a_server_that_wants_a_key_says_so(staff, attic):
    attic.key = KEY

    assert "It wants a key" in add(staff, attic.address)
    assert "did not take the key" in add(staff, attic.address, key="wrong")
    assert "A key has no spaces" in add(staff, attic.address, key="two words")


def test_a_key_is_sent_and_nowhere_shown(staff, attic, locked, caplog):
    caplog.set_level(logging.DEBUG)
    staff.post(url(locked, "models"), {"models": ["org/llama-8b"]})
    entry = CatalogEntry.objects.get()
    pages = [PAGE, url(locked), "/models/", f"/models/{entry.pk}/status/", "/"]
    pages += [f"/models/{entry.pk}/settings/", "/admin/models_app/remoteserver/"]
    pages += [f"/admin/models_app/catalogentry/{entry.pk}/change/"]

    texts = [staff.get(page, follow=True).content.decode() for page in pages]
    texts += [add(staff, "http://127.0.0.1:1/v1", key=KEY), repr(entry.spec), caplog.text]
    catalog.refresh()

    assert attic.keys[-1] == KEY
    assert entry.spec.remote is not None
    assert entry.spec.remote.key == KEY
    assert KEY not in locked.secret
    assert not any(KEY in text for text in texts)


def changed(client: Client, server: RemoteServer, **given: str) -> Any:
    """`server` is as in the database afterwards."""
    stays = {"address": server.base_url, "name": server.name}
    answer = client.post(url(server, "change"), stays | given)
    server.refresh_from_db()
    return answer


def test_a_key_is_changed_once_the_server_takes_it(staff, attic, locked):
    attic.key = "sk-new"

    refused = changed(staff, locked, key="sk-wrong", name="Loft")
    assert refused.status_code == 422
    page = refused.content.decode()
    assert "Not changed" in page
    assert 'value="Loft"' in page
    assert "sk-wrong" not in page
    assert (locked.key, locked.name) == (KEY, "Attic")

    assert changed(staff, locked, key="sk-new").status_code == 302
    assert locked.key == "sk-new"


def test_another_name_keeps_the_key_and_another_host_is_not_told_it(staff, attic, locked):
    changed(staff, locked, name="Loft")
    assert (locked.name, locked.key) == ("Loft", KEY)

    other = OpenAIServer("org/llama-8b").start()
    try:
        changed(staff, locked, address=other.origin)
    finally:
        other.stop()

    assert (locked.base_url, locked.key) == (other.address, "")
    assert other.keys == [""]


def test_a_server_that_moves_keeps_its_models(staff, attic, added, entry):
    other = OpenAIServer("org/llama-70b").start()
    try:
        changed(staff, added, address=other.origin)
    finally:
        other.stop()

    same = CatalogEntry.objects.get()
    assert same.pk == entry.pk
    assert same.spec.remote is not None
    assert same.spec.remote.base_url == other.address
    assert same.problem == "Attic does not offer it any more."


@pytest.mark.parametrize("length", [100, 101, 10_000])
def test_a_name_has_a_limit(staff, attic, added, length):
    answer = changed(staff, added, name="x" * length)

    assert answer.status_code == (302 if length == 100 else 422)
    assert len(added.name) == (100 if length == 100 else len("Attic"))


def test_two_servers_do_not_become_one(staff, attic, added):
    other = OpenAIServer("org/llama-8b").start()
    try:
        add(staff, other.address, name="Cellar")
    finally:
        other.stop()

    assert "called Cellar" in changed(staff, added, address=other.origin).content.decode()
    assert (
        "Another server is called cellar" in changed(staff, added, name="cellar").content.decode()
    )
    assert added.base_url == attic.address


def test_with_another_secret_key_it_is_as_if_none_was_given(locked, settings):
    settings.SECRET_KEY = "another"

    assert locked.key == ""


# -- what it says ---------------------------------------------------------------------------------------


def test_a_card_asks_anew_and_says_what_is_wrong(staff, attic, added):
    attic.stop()

    said = html.unescape(staff.get(url(added), headers=HTMX).content.decode())

    assert "nothing answers at this port" in said
    assert "hx-swap-oob" not in said
    page = staff.get(PAGE).content.decode()
    assert "nothing answers at this port" in page
    assert "org/llama-8b" in page


def test_the_page_itself_asks_no_server(staff, attic, added):
    asked = len(attic.keys)

    assert f'hx-get="{url(added)}"' in staff.get(PAGE).content.decode()
    assert len(attic.keys) == asked


def test_other_models_take_the_place_of_those_before(staff, attic, added):
    attic.models.append({"id": "new-one"})

    said = staff.get(url(added), headers=HTMX).content.decode()

    assert "new-one" in said
    assert "hx-swap-oob" in said


def test_a_model_that_is_no_longer_offered_cannot_be_used_until_it_is_again(
    staff, attic, added, entry
):
    models, attic.models = attic.models, []
    staff.get(url(added), headers=HTMX)
    entry.refresh_from_db()
    assert entry.problem == "Attic does not offer it any more."

    attic.models = models
    staff.get(url(added), headers=HTMX)

    entry.refresh_from_db()
    assert entry.is_for_chat


# -- its models -----------------------------------------------------------------------------------------


def test_chosen_models_are_in_the_catalog_and_others_are_not(staff, added, entry):
    assert (entry.name, entry.context_length, entry.can_chat) == ("org/llama-8b", 4096, True)
    assert entry.format == "remote"
    assert entry.spec.path == ""

    staff.post(url(added, "models"), {"models": ["nomic-embed-text", "never-heard-of"]})

    other = CatalogEntry.objects.get()
    assert (other.name, other.can_chat) == ("nomic-embed-text", False)


def test_looking_at_the_folders_leaves_them_alone(entry):
    with CaptureQueriesContext(connection) as before:
        catalog.scan()
    other = CatalogEntry.objects.create(
        server=entry.server, remote_name="two", path="remote:two", name="two"
    )

    with CaptureQueriesContext(connection) as after:
        catalog.scan(reread=True)

    assert len(after) == len(before)
    assert set(CatalogEntry.objects.present()) == {entry, other}


def test_nothing_leaves_this_machine_unless_somebody_chose_that(entry, write):
    catalog.scan()
    assert not CatalogEntry.objects.filter(is_default=True).exists()
    write("z.gguf", name="Zebra")
    CatalogEntry.objects.create(path="/gone.gguf", name="A", is_missing=True, is_default=True)
    catalog.scan()

    default = catalog.default_entry()

    assert default is not None
    assert default.name == "Zebra"
    catalog.set_default(entry)
    assert catalog.default_entry() == entry


def test_the_list_says_where_it_runs(staff, entry):
    page = staff.get("/models/").content.decode()

    assert "Remote" in page
    assert "on Attic" in page
    assert "Connect<" in page
    assert f"/models/{entry.pk}/delete" not in page
    assert f"/models/{entry.pk}/benchmark/" not in page


def test_a_list_of_remote_models_asks_the_database_no_more_often(staff, entry):
    staff.get("/models/")
    with CaptureQueriesContext(connection) as one:
        staff.get("/models/")
    for number in range(5):
        CatalogEntry.objects.create(
            server=entry.server, remote_name=str(number), path=f"remote:{number}", name=str(number)
        )

    with CaptureQueriesContext(connection) as six:
        staff.get("/models/")

    assert len(six) == len(one)


def test_its_page_and_settings_leave_out_what_only_a_file_has(staff, entry):
    status = staff.get(f"/models/{entry.pk}/status/").content.decode()
    settings_page = staff.get(f"/models/{entry.pk}/settings/").content.decode()

    assert entry.server.base_url in status
    assert "Called there" in status
    assert "Context window, in tokens" not in settings_page
    assert "Attic computes it" in settings_page
    assert "Temperature" in settings_page
    assert staff.get(f"/models/{entry.pk}/benchmark/").status_code == 404


def test_settings_of_answers_are_saved(staff, entry):
    answer = staff.post(f"/models/{entry.pk}/settings/", {"temperature": "0.3", "aliases": "llama"})

    assert answer.status_code == 302
    fresh = CatalogEntry.objects.get()
    assert (fresh.settings.temperature, fresh.settings.aliases) == (0.3, "llama")
    assert fresh.spec.remote == entry.spec.remote


def test_people_see_where_what_they_write_goes(member, entry):
    page = member.get(f"/chats/model/?model={entry.pk}").content.decode()
    home = member.get("/").content.decode()

    assert "Runs on Attic: what you write is sent there." in page
    assert "Runs on Attic ·" in home


def test_programs_see_it_by_its_name(entry):
    assert api_names(CatalogEntry.objects.usable()) == {"org/llama-8b": entry}


def test_the_command_lists_it(entry, capsys):
    call_command("models", "list")

    assert "on Attic" in capsys.readouterr().out


def test_its_bytes_are_not_ours_to_delete(staff, entry):
    answer = staff.post(f"/models/{entry.pk}/delete", headers=HTMX)

    assert answer.status_code == 422
    assert "on Attic" in answer["HX-Trigger"]
    assert CatalogEntry.objects.exists()


# -- going -----------------------------------------------------------------------------------------------


def test_a_server_goes_with_its_models(staff, added, entry):
    answer = staff.post(url(added, "remove"), headers=HTMX)

    assert answer["HX-Redirect"] == PAGE
    assert not RemoteServer.objects.exists()
    assert not CatalogEntry.objects.exists()


def test_members_see_none_of_it(member, added):
    answers = [member.get(PAGE), member.get(url(added)), member.post(PAGE, {})]
    answers += [member.post(url(added, one)) for one in ("models", "change", "remove")]

    assert {answer.status_code for answer in answers} == {403}
    assert User.objects.get(username="bob").is_staff is False
