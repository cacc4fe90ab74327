"""Django's admin: every page answers administrators, nobody else, and shows nothing that was written in
a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from chat.models import Conversation, Message
from minerva_site.models import Heartbeat
from models_app.models import (
    Benchmark,
    CatalogEntry,
    Download,
    DownloadFile,
    HubToken,
    PromptSpeed,
    RemoteServer,
    UsedFolder,
)
from models_app.tuning import ModelSettings
from tests.minerva_site.test_ui_pages import assert_nothing_inline

pytestmark = pytest.mark.django_db

SECRET = "quetzalcoatlus"
REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("alice", password="a long password"))
    return client


@pytest.fixture
def member(staff: Client) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("bob", password="another password"))
    return client


@pytest.fixture
def rows(staff: Client) -> dict[type[Model], Model]:
    """One of each, with something in it that nobody but its owner may read."""
    owner = User.objects.get(username="alice")
    entry = CatalogEntry.objects.create(path="/m/owl.gguf", name="Owl")
    chat = Conversation.objects.create(owner=owner, title=SECRET, draft=SECRET, refusal=SECRET)
    benchmark = Benchmark.objects.create(entry=entry)
    PromptSpeed.objects.create(benchmark=benchmark, target=128, num_tokens=130, seconds=1)
    download = Download.objects.create(url=f"https://a.example/m.gguf?key={SECRET}#sha256:00")
    DownloadFile.objects.create(download=download, number=0, name="m.gguf", url=SECRET, checksum="")
    made: list[Model] = [
        owner,
        Group.objects.create(name="readers"),
        entry,
        chat,
        benchmark,
        download,
        Message.objects.create(conversation=chat, role="user", text=SECRET, reasoning=SECRET),
        HubToken.objects.create(secret=SECRET),
        RemoteServer.objects.create(name="Attic", base_url="http://10.0.0.7/v1", secret=SECRET),
        UsedFolder.objects.create(path="/data/models"),
        ModelSettings.objects.create(entry=entry),
        Heartbeat.objects.create(name="worker", beat_at=timezone.now()),
    ]
    return {type(one): one for one in made}


def url(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def pages(rows: dict[type[Model], Model]) -> Iterator[str]:
    yield reverse("admin:index")
    for model in REGISTERED:
        yield reverse("admin:app_list", args=[model._meta.app_label])
        yield url(model, "changelist")
        yield url(model, "change", rows[model].pk)
        yield url(model, "history", rows[model].pk)


def test_every_model_of_ours_has_a_row_in_these_tests(rows):
    assert set(rows) == set(REGISTERED)


def test_each_page_answers_and_keeps_the_secrets(staff, rows):
    for page in pages(rows):
        response = staff.get(page)

        assert response.status_code in (200, 404), page
        assert SECRET not in response.content.decode(), page
        assert "$argon2" not in response.content.decode()


def test_every_list_answers(staff, rows):
    for model in REGISTERED:
        assert staff.get(url(model, "changelist")).status_code == 200


def test_rows_of_conversations_have_no_page(staff, rows):
    for model in (Conversation, Message, HubToken, Download):
        assert staff.get(url(model, "change", rows[model].pk)).status_code == 404
        assert staff.get(url(model, "history", rows[model].pk)).status_code == 404


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (Conversation, "title__startswith=q"),
        (Conversation, "messages__text__contains=q"),
        (Message, "text__contains=q"),
        (Message, "conversation__title=q"),
        (User, "conversations__title__startswith=q"),
        (User, "password__startswith=argon"),
        (Download, "url__contains=key"),
        (HubToken, "secret__startswith=q"),
    ],
)
def test_an_address_cannot_ask_after_what_no_page_shows(staff, rows, model, asked):
    """Whether such a question has an answer would tell the text, letter by letter."""
    response = staff.get(f"{url(model, 'changelist')}?{asked}")

    assert response.status_code in (302, 400)


def test_nothing_can_be_changed_there(staff, rows):
    before = {model: model.objects.count() for model in REGISTERED}  # type: ignore[attr-defined]
    for model in REGISTERED:
        for page, args in (
            ("add", ()),
            ("delete", (rows[model].pk,)),
            ("change", (rows[model].pk,)),
        ):
            address = url(model, page, *args)
            assert staff.post(address, {"post": "yes", "state": "ready"}).status_code in (403, 404)
        chosen = {"action": "delete_selected", "_selected_action": str(rows[model].pk)}
        staff.post(url(model, "changelist"), chosen | {"post": "yes"})

    assert before == {model: model.objects.count() for model in REGISTERED}  # type: ignore[attr-defined]


def test_no_member_gets_in(member, rows):
    for page in pages(rows):
        assert member.get(page).status_code == 403, page
    for page in ("admin:jsi18n", "admin:logout", "admin:autocomplete"):
        assert member.get(reverse(page)).status_code in (403, 405), page


def test_who_left_the_staff_or_was_deactivated_gets_in_no_more(staff, rows):
    User.objects.update(is_staff=False)
    assert staff.get(reverse("admin:index")).status_code == 403

    User.objects.update(is_staff=True, is_active=False)
    assert staff.get(reverse("admin:index")).status_code in (302, 403)


def test_staff_who_are_no_superusers_see_the_same(staff, rows):
    User.objects.update(is_superuser=False)

    for model in REGISTERED:
        assert staff.get(url(model, "changelist")).status_code == 200


def test_there_is_one_way_to_sign_in(staff):
    stranger = Client()

    for name in ("admin:index", "admin:login"):
        response = stranger.get(reverse(name))
        assert response["Location"].startswith(reverse("accounts:sign_in"))
    answer = stranger.post(
        reverse("admin:login"), {"username": "alice", "password": "a long password"}
    )
    assert answer["Location"].startswith(reverse("accounts:sign_in"))
    assert "_auth_user_id" not in stranger.session
    assert staff.get(reverse("admin:password_change")).status_code == 404


def test_leaving_it_signs_out(staff):
    staff.post(reverse("admin:logout"))

    assert "_auth_user_id" not in staff.session


def test_nothing_is_inline_so_that_the_policy_allows_all_of_it(staff, rows):
    for page in pages(rows):
        response = staff.get(page)
        assert "script-src 'self';" in response["Content-Security-Policy"]
        assert_nothing_inline(response.content.decode())


def test_what_its_pages_load_is_there(staff, rows):
    loaded = {
        found
        for page in pages(rows)
        for found in re.findall(r'(?:src|href)="/static/([^"]+)"', staff.get(page).content.decode())
    }

    assert any(name.startswith("admin/css/base.") for name in loaded)
    assert [name for name in loaded if not (Path(settings.STATIC_ROOT) / name).exists()] == []


def test_administrators_find_it_in_their_menu_and_others_do_not(staff, member):
    link = f'href="{reverse("admin:index")}"'

    assert link in staff.get("/").content.decode()
    assert link not in member.get("/").content.decode()
