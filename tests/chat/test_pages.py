from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from chat import sidebar, tasks
from chat.models import Conversation, MessageState
from rendering import render_markdown

pytestmark = pytest.mark.django_db(transaction=True)


def queries_of(client: Client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        response = client.get(path)
    assert response.status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def make_chats(owner: User, number: int, **fields: Any) -> None:
    Conversation.objects.bulk_create(
        Conversation(owner=owner, title=f"Chat {index}", **fields) for index in range(number)
    )


def test_a_new_chat_greets_and_names_the_model_with_its_state(site, entry, inference):
    page = site.get("/").content.decode()

    assert "ada" in page
    assert entry.name in page
    assert "Unloaded" in page
    assert 'name="model"' in page
    assert page.count("data-suggestion=") == 4


def test_without_a_model_the_page_says_where_to_put_one(site, inference, settings, tmp_path):
    settings.MODEL_DIRS = [tmp_path]

    page = site.get("/").content.decode()

    assert "No model yet" in page
    assert str(tmp_path) in page
    assert 'id="composer"' not in page


def test_who_may_not_add_models_is_not_told_the_folder(
    client, ada, grace, inference, settings, tmp_path
):
    settings.MODEL_DIRS = [tmp_path]
    client.force_login(grace)

    page = client.get("/").content.decode()

    assert "An administrator adds the first one" in page
    assert str(tmp_path) not in page


def test_the_page_that_waits_for_a_model_goes_on_when_there_is_one(site, entry):
    response = site.get("/chats/waiting/")

    assert response["HX-Refresh"] == "true"


def test_the_page_that_waits_for_a_model_stays_while_there_is_none(site, settings, tmp_path):
    settings.MODEL_DIRS = [tmp_path]

    assert site.get("/chats/waiting/").status_code == 204


def test_a_chat_shows_its_messages_in_order(site, conversation, said, inference):
    said("user", "First\n  line two")
    said("assistant", "**Second**", completion_tokens=412, decode_seconds=17.5, total_seconds=18.1)

    page = site.get(f"/c/{conversation.pk}/").content.decode()

    assert page.index("First\n  line two") < page.index("<strong>Second</strong>")
    assert "412 tokens" in page
    assert "23.5 tokens/s" in page
    assert "18.1 s" in page


def test_the_text_of_an_answer_stands_alone_in_its_element(site, conversation, said, inference):
    answer = said("assistant", "# One\n\nTwo\n\n- three\n")

    page = site.get(f"/c/{conversation.pk}/").content.decode()

    html = render_markdown(answer.text)
    assert f'<div id="message-{answer.pk}-text">{html}</div>' in page


def test_what_a_person_wrote_is_text_and_not_markup(site, conversation, said, inference):
    said("user", "<script>alert(1)</script> **not bold**")

    page = site.get(f"/c/{conversation.pk}/").content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt; **not bold**" in page


def test_hostile_titles_are_text(site, conversation, inference):
    Conversation.objects.update(title='"><script>alert(1)</script>')

    page = site.get(f"/c/{conversation.pk}/").content.decode()

    assert "<script>alert(1)" not in page


def test_an_answer_that_failed_offers_retry_and_says_why(site, conversation, said, inference):
    said("user", "Why?")
    said("assistant", "", state=MessageState.FAILED, error_message="The model ran out of memory.")

    page = site.get(f"/c/{conversation.pk}/").content.decode()

    assert "The model ran out of memory." in page
    assert "Retry" in page


def test_a_refused_prompt_waits_in_the_composer_with_the_reason(site, conversation, inference):
    Conversation.objects.update(draft="My <long> text", refusal="This prompt has 9,000 tokens.")

    page = site.get(f"/c/{conversation.pk}/").content.decode()

    assert "My &lt;long&gt; text</textarea>" in page
    assert "This prompt has 9,000 tokens." in page


def test_an_answer_cut_at_the_window_says_so(site, conversation, said, inference):
    said("assistant", "And so", finish_reason="length")

    page = site.get(f"/c/{conversation.pk}/").content.decode()

    assert "Cut off: the context window is full." in page


def test_page_and_fragment_have_no_inline_script_style_or_handler(
    site, conversation, said, inference
):
    said("user", "Why?")
    said("assistant", "Because.", state=MessageState.FAILED, error_message="It broke.")

    for path in ("/", f"/c/{conversation.pk}/"):
        page = site.get(path).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert not re.search(r"\s(?:style|on\w+|hx-on[^=]*)=", page)
        assert "<style" not in page


def test_a_chat_costs_the_same_queries_however_long_it_is(site, conversation, said, inference):
    path = f"/c/{conversation.pk}/"
    said("user", "First")
    said("assistant", "Answer")
    site.get(path)
    short = queries_of(site, path)
    for number in range(20):
        said("user", f"Prompt {number}")
        said("assistant", f"Answer {number}")

    assert len(queries_of(site, path)) == len(short)
    assert len(short) <= 12


@pytest.mark.parametrize("path", ["/", "/chats/"])
def test_the_list_costs_the_same_queries_however_many_chats_there_are(
    site, ada, entry, inference, path
):
    make_chats(ada, 2)
    site.get(path)
    few = queries_of(site, path)
    make_chats(ada, 300)

    assert len(queries_of(site, path)) == len(few)
    assert len(few) <= 10


def test_thousands_of_chats_come_in_pages(site, ada, inference):
    make_chats(ada, 2 * sidebar.PAGE_SIZE + 50)
    for index, chat in enumerate(Conversation.objects.all()):
        Conversation.objects.filter(pk=chat.pk).update(
            updated_at=timezone.now() - timedelta(minutes=index)
        )
    seen: set[str] = set()
    path = "/chats/"

    for _ in range(3):
        page = site.get(path).content.decode()
        ids = set(re.findall(r'id="chat-([0-9a-f-]+)"', page))
        assert 0 < len(ids) <= sidebar.PAGE_SIZE
        assert not ids & seen
        seen |= ids
        more = re.search(r'hx-get="([^"]*older_than=[^"]*)"', page)
        path = more[1].replace("&amp;", "&") if more else ""

    assert len(seen) == 2 * sidebar.PAGE_SIZE + 50
    assert path == ""


@pytest.mark.parametrize(
    "older_than",
    [
        "nonsense",
        "2026-13-45T00:00",
        "2026-01-01T00:00",
        "\x00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_wrong_place_in_the_list_is_its_beginning(site, ada, older_than):
    make_chats(ada, 1)

    assert b"Chat 0" in site.get("/chats/", {"older_than": older_than}).content


def test_a_page_address_that_is_none_marks_no_chat(site, ada):
    make_chats(ada, 1)
    here = {"HX-Request": "true", "HX-Current-URL": "http://["}

    page = site.get("/chats/", headers=here).text

    assert "Chat 0" in page
    assert 'aria-current="page"' not in page


@pytest.mark.parametrize(
    ("days", "name"),
    [(0, "Today"), (1, "Yesterday"), (2, "Previous 7 days"), (7, "Previous 7 days"), (8, "Older")],
)
def test_chats_are_grouped_by_the_day_of_their_last_turn(days, name):
    today = timezone.localdate()

    assert sidebar.name_of_day(today - timedelta(days=days), today=today) == name


def test_only_ones_own_chats_are_listed(client, ada, grace):
    make_chats(ada, 1)
    client.force_login(grace)

    assert b"Chat 0" not in client.get("/chats/").content


def test_renaming_changes_the_title(site, conversation):
    response = site.post(f"/c/{conversation.pk}/rename/", {"title": "  Shrubs   and herbs "})

    conversation.refresh_from_db()
    assert conversation.title == "Shrubs and herbs"
    assert b"Shrubs and herbs" in response.content


@pytest.mark.parametrize(
    ("title", "stored"),
    [("", "Trees"), ("  ", "Trees"), ("x" * 200, "x" * 200), ("x" * 999, "x" * 200)],
)
def test_a_title_is_kept_within_its_limits(site, conversation, title, stored):
    site.post(f"/c/{conversation.pk}/rename/", {"title": title})

    conversation.refresh_from_db()
    assert conversation.title == stored


def test_the_row_becomes_a_form_and_a_row_again(site, conversation):
    path = f"/c/{conversation.pk}/rename/"

    assert b'name="title" value="Trees"' in site.get(path).content
    assert b"Actions for Trees" in site.get(path, {"cancel": ""}).content


async def test_a_deleted_chat_leaves_the_list_and_can_come_back(asite, conversation, inference):
    response = await asite.post(f"/c/{conversation.pk}/delete/")

    assert f"/c/{conversation.pk}/undelete/" in response["HX-Trigger"]
    assert (await asite.get(f"/c/{conversation.pk}/")).status_code == 404
    assert b"Trees" not in (await asite.get("/chats/")).content
    await asite.post(f"/c/{conversation.pk}/undelete/")
    assert b"Trees" in (await asite.get("/chats/")).content


async def test_deleting_the_chat_one_looks_at_leads_to_a_new_one(asite, conversation, inference):
    here = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/c/{conversation.pk}/"}

    response = await asite.post(f"/c/{conversation.pk}/delete/", headers=here)

    assert '"path": "/"' in response["HX-Location"]


async def test_deleting_another_chat_stays_where_one_is(asite, conversation, inference):
    here = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}

    response = await asite.post(f"/c/{conversation.pk}/delete/", headers=here)

    assert "HX-Location" not in response


def test_what_was_deleted_long_ago_is_purged(ada):
    old, recent = timezone.now() - timedelta(days=31), timezone.now() - timedelta(days=29)
    make_chats(ada, 1, deleted_at=old)
    make_chats(ada, 1, deleted_at=recent)
    make_chats(ada, 1)

    tasks.purge_deleted(before=timezone.now() - tasks.KEPT_AFTER_DELETING)

    assert list(Conversation.objects.filter(deleted_at=None).values_list("title")) == [("Chat 0",)]
    assert Conversation.objects.count() == 2


def test_a_service_that_does_not_answer_still_lets_the_page_open(site, entry):
    page = site.get("/").content.decode()

    assert 'id="composer"' in page
    assert "Unknown" in page
