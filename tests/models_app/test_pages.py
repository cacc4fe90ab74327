"""The models page: who sees it, what it says, and that it only asks while something changes."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from models_app import catalog
from models_app.models import CatalogEntry
from tests.inference.gguf_files import File
from tests.made_encoder import write_encoder
from tests.made_models import write_scripted_model
from tests.models_app.conftest import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service")]

LIST = "/models/"
HTMX = {"HX-Request": "true"}


def url(name: str, entry: CatalogEntry) -> str:
    return reverse(f"models:{name}", args=[entry.pk])


def page(client: Client) -> str:
    response = client.get(LIST)
    assert response.status_code == 200
    return response.content.decode()


def row(text: str, entry: CatalogEntry) -> str:
    found = re.search(rf'<tr id="model-{entry.pk}".*?</tr>', text, re.DOTALL)
    assert found
    return html.unescape(found[0])


def state(text: str) -> str:
    states = re.findall(r'data-state="(\w+)"', text)
    assert len(states) == 1
    return str(states[0])


@pytest.fixture
def settled(staff: Client) -> Callable[[CatalogEntry], Any]:
    """Asks for a row as the page does, until it is told to stop; returns that answer."""

    def settled(entry: CatalogEntry) -> Any:
        answers: list[Any] = []

        def is_settled() -> bool:
            answers.append(staff.get(url("entry", entry), headers=HTMX))
            return bool(answers[-1].status_code == 286)

        wait_for(is_settled, what="a state that stays")
        return answers[-1]

    return settled


# -- who --------------------------------------------------------------------------------------------


def test_nobody_signed_in_is_sent_to_sign_in(folder, staff):
    response = Client().get(LIST)

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("accounts:sign_in"))


def test_a_member_of_the_team_gets_none_of_it(write, member):
    write("a.gguf", name="A private model")
    catalog.scan()
    entry = CatalogEntry.objects.get()

    answers = [member.get(LIST), member.get(url("entry", entry)), member.post("/models/rescan")]
    actions = ("load", "unload", "make_default", "forget")
    answers += [member.post(url(name, entry)) for name in actions]

    assert {answer.status_code for answer in answers} == {403}
    assert not any(entry.name in answer.content.decode() for answer in answers)


def test_a_person_who_was_deactivated_gets_none_of_it(folder, staff):
    User.objects.update(is_active=False)

    assert staff.get(LIST).status_code in (302, 403)


def test_actions_need_post_and_a_csrf_token(write, staff):
    write("a.gguf")
    catalog.scan()
    entry = CatalogEntry.objects.get()
    strict = Client(enforce_csrf_checks=True, headers={})
    strict.cookies = staff.cookies

    for name in ("load", "unload", "make_default", "forget"):
        assert staff.get(url(name, entry)).status_code == 405
        assert strict.post(url(name, entry)).status_code == 403
    assert staff.get("/models/rescan").status_code == 405


def test_an_unknown_model_is_not_found(folder, staff):
    for name in ("load", "unload", "make_default", "forget"):
        assert staff.post(reverse(f"models:{name}", args=[uuid.uuid4()])).status_code == 404
    assert staff.get(reverse("models:entry", args=[uuid.uuid4()])).status_code == 404


# -- the list ---------------------------------------------------------------------------------------


def test_an_empty_catalog_says_where_to_put_a_model(folder, staff):
    text = page(staff)

    assert "Add your first model" in text
    assert str(folder) in text
    assert 'data-copy="#models-folder-path"' in text
    assert "Rescan" in text


def test_a_model_is_listed_with_its_facts_and_state(folder, staff):
    path = write_scripted_model(folder / "hello.gguf", "Hello.", name="Hello 1M")

    text = page(staff)

    shown = row(text, CatalogEntry.objects.get())
    assert state(shown) == "unloaded"
    for fact in ("Hello 1M", "hello.gguf · llama<", "2,048", "Default", "Load"):
        assert fact in shown
    assert f"{path.stat().st_size / 1e3:.0f}\N{NO-BREAK SPACE}kB" in shown
    assert "Add your first model" not in text


def test_a_model_without_a_chat_template_says_so(folder, staff):
    write_scripted_model(folder / "bare.gguf", "Hello.", chat_template=None)

    assert "bare.gguf · llama, no chat template<" in page(staff)


def test_a_broken_model_shows_its_reason_and_offers_no_loading(folder, staff):
    (folder / "text.gguf").write_text("Only text.")

    shown = row(page(staff), CatalogEntry.objects.get())

    assert state(shown) == "broken"
    assert "This is a text file, not a GGUF model." in shown
    assert "<button" not in shown


def test_a_name_from_a_file_is_text_and_nothing_else(folder, write, staff):
    write("<img src=x onerror=alert(1)>.gguf", name="<script>alert(1)")

    text = page(staff)

    assert "&lt;script&gt;alert(1)" in text
    assert "<img src=x" not in text
    assert "<script>alert" not in text


def test_a_folder_that_cannot_be_used_is_named(folder, staff, settings, tmp_path):
    settings.MODEL_DIRS = [folder, tmp_path / "absent"]

    text = page(staff)

    assert str(tmp_path / "absent") in text
    assert "This folder does not exist." in text


def test_an_idle_page_asks_for_little_and_only_while_it_is_seen(folder, write, staff):
    write("a.gguf")
    (folder / "broken.gguf").write_text("Only text.")

    text = page(staff)

    assert text.count("every 1s") == text.count("data-while-visible") == 1


def test_a_file_that_is_being_copied_is_asked_for_until_it_is_whole(folder, write, staff, settled):
    whole = write("a.gguf").read_bytes()
    (folder / "a.gguf").write_bytes(whole[:-1])
    shown = row(page(staff), CatalogEntry.objects.get())
    assert "Incomplete" in shown
    assert 'hx-trigger="every 1s"' in shown

    (folder / "a.gguf").write_bytes(whole)
    catalog.scan()

    assert state(settled(CatalogEntry.objects.get()).content.decode()) == "unloaded"


def test_a_rescan_shows_a_new_file_at_once(folder, write, staff):
    page(staff)
    write("new.gguf")

    response = staff.post("/models/rescan", headers=HTMX)

    assert "new.gguf" in response.content.decode()
    assert "<html" not in response.content.decode()


def test_without_javascript_each_action_leads_back_to_the_list(write, staff):
    write("a.gguf")
    catalog.scan()
    entry = CatalogEntry.objects.get()

    for answer in (
        staff.post("/models/rescan"),
        staff.post(url("make_default", entry)),
        staff.get(url("entry", entry)),
    ):
        assert (answer.status_code, answer["Location"]) == (302, LIST)


def test_another_default_is_chosen_and_shown(write, staff):
    write("a.gguf")
    write("b.gguf")
    page(staff)
    first, second = CatalogEntry.objects.order_by("name")

    text = staff.post(url("make_default", second), headers=HTMX).content.decode()

    assert "Make it the default" in row(text, first)
    assert "Default" in row(text, second)
    assert catalog.default_entry() == second


def test_an_embedding_model_is_loaded_but_chats_with_nobody(folder, staff, settled):
    write_encoder(folder / "encoder.gguf")
    shown = html.unescape(page(staff))
    entry = CatalogEntry.objects.get(is_guide=False)

    assert "Embeddings" in row(shown, entry)
    assert "Make it the default" not in row(shown, entry)
    assert staff.post(url("make_default", entry), headers=HTMX).status_code == 422
    assert entry not in CatalogEntry.objects.for_chat()
    staff.post(url("load", entry), headers=HTMX)
    settled(entry)
    assert state(row(page(staff), entry)) == "ready"


def test_a_broken_model_cannot_be_the_default(folder, staff):
    (folder / "text.gguf").write_text("Only text.")
    page(staff)
    entry = CatalogEntry.objects.get()

    assert staff.post(url("make_default", entry), headers=HTMX).status_code == 422
    assert catalog.default_entry() is None


def test_a_model_that_is_gone_is_set_apart_and_can_be_removed(folder, write, staff):
    write("here.gguf")
    write("gone.gguf")
    catalog.scan()
    (folder / "gone.gguf").unlink()
    gone = CatalogEntry.objects.get(name="gone")
    text = page(staff)
    assert f'id="model-{gone.pk}"' not in text
    assert "1 model no longer there" in text

    text = staff.post(url("forget", gone), headers=HTMX).content.decode()

    assert "no longer there" not in text
    assert not CatalogEntry.objects.filter(pk=gone.pk).exists()


def test_a_model_that_is_there_cannot_be_removed_from_the_list(write, staff):
    write("a.gguf")
    page(staff)
    entry = CatalogEntry.objects.get()

    assert staff.post(url("forget", entry), headers=HTMX).status_code == 422
    assert CatalogEntry.objects.filter(pk=entry.pk).exists()


def test_showing_the_page_writes_nothing_when_nothing_changed(folder, write, staff):
    write("a.gguf")
    (folder / "text.gguf").write_text("Only text.")
    page(staff)
    catalog._throttle.reset()

    with CaptureQueriesContext(connection) as queries:
        page(staff)

    assert [query["sql"] for query in queries if not query["sql"].startswith("SELECT")] == []


def test_the_number_of_queries_does_not_grow_with_the_list(folder, staff):
    counts = []
    for upto in (10, 500):
        for number in range(upto):
            (folder / f"{upto}-{number}.gguf").write_text("Only text.")
        page(staff)
        with CaptureQueriesContext(connection) as queries:
            assert page(staff).count("data-entry") >= upto
        counts.append(len(queries))

    # One of them for the downloads that every page shows.
    assert counts[0] == counts[1] <= 15


# -- loading ----------------------------------------------------------------------------------------


def test_a_model_is_loaded_and_unloaded(folder, staff, settled):
    write_scripted_model(folder / "a.gguf", "Hello.")
    page(staff)
    entry = CatalogEntry.objects.get()

    answer = staff.post(url("load", entry), headers=HTMX)
    assert answer.status_code == 200
    assert state(answer.content.decode()) == "loading"
    assert 'hx-trigger="every 1s"' in answer.content.decode()

    answer = settled(entry)
    shown = html.unescape(answer.content.decode())
    assert state(shown) == "ready"
    assert answer["HX-Trigger"] == '{"models-changed": {}}'
    for fact in ("CPU", "window of 2,048 tokens", "MB of memory", "loaded in", "Unload"):
        assert fact in shown
    assert state(row(page(staff), entry)) == "ready"
    assert "every 1s" not in row(page(staff), entry)

    answer = staff.post(url("unload", entry), headers=HTMX)
    assert f'id="model-action-{entry.pk}"' in answer.content.decode()  # focus stays on it
    assert state(settled(entry).content.decode()) == "unloaded"


def test_a_load_that_fails_shows_the_reason_the_log_and_retry(folder, staff, settled):
    File().write(folder / "hollow.gguf")
    page(staff)
    entry = CatalogEntry.objects.get()

    staff.post(url("load", entry), headers=HTMX)
    shown = settled(entry).content.decode()

    assert state(shown) == "failed"
    assert 'class="model-reason"' in shown
    assert "<details" in shown
    assert "Retry" in shown
    assert state(row(page(staff), entry)) == "failed"


def test_loading_a_broken_model_is_refused_with_its_reason(folder, staff):
    (folder / "text.gguf").write_text("Only text.")
    page(staff)
    entry = CatalogEntry.objects.get()

    answer = staff.post(url("load", entry), headers=HTMX)

    assert answer.status_code == 422
    assert "This is a text file" in answer.content.decode()
    assert "This is a text file" in answer["HX-Trigger"]
    assert staff.post(url("load", entry)).status_code == 422


def test_a_service_that_does_not_answer_is_said_plainly(folder, write, staff, settings, tmp_path):
    settings.INFERENCE_SOCKET = tmp_path / "nobody"
    write("a.gguf")

    text = page(staff)

    entry = CatalogEntry.objects.get()
    assert "The inference service does not answer" in text
    assert state(row(text, entry)) == "unknown"
    assert "<button" not in row(text, entry)


def test_loading_without_a_service_fails_with_a_toast(folder, write, staff, settings, tmp_path):
    settings.INFERENCE_SOCKET = Path(tmp_path / "nobody")
    write("a.gguf")
    page(staff)

    answer = staff.post(url("load", CatalogEntry.objects.get()), headers=HTMX)

    assert answer.status_code == 503
    assert '"toast"' in answer["HX-Trigger"]
