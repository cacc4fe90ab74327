"""Downloads under way, on every page of an administrator."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from models_app.models import Download, DownloadState

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
TRAY = "downloads-tray"


def under_way(variant: str, *, done: int = 0, total: int = 0, state: str = "downloading") -> None:
    Download.objects.create(
        repository="a/b", variant=variant, done_bytes=done, total_bytes=total, state=state
    )


def text(client: Client, path: str = "/") -> str:
    return client.get(path).content.decode()


def queries_of(client: Client) -> list[str]:
    client.get("/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/")
    return [query["sql"] for query in queries]


def test_there_is_none_while_nothing_goes_on(staff, folder):
    for state in (DownloadState.READY, DownloadState.PAUSED, DownloadState.FAILED):
        under_way(state, state=state)

    assert TRAY not in text(staff)


def test_it_counts_them_and_their_bytes_together(staff, folder):
    under_way("Q4", done=30, total=100)
    under_way("Q8", done=30, total=300)
    under_way("Q2", state="queued")

    shown = text(staff)

    assert TRAY in shown
    assert "</span>3 " in shown
    assert "15 %" in shown
    assert "every 3s" in shown


def test_it_never_says_100_and_says_nothing_of_an_unknown_size(staff, folder):
    under_way("Q4")
    assert " %</span>" not in text(staff)
    assert "</span>1</span>" in text(staff)

    Download.objects.update(done_bytes=100, total_bytes=100)
    assert "99 %" in text(staff)


def test_it_leaves_when_all_is_done(staff, folder):
    under_way("Q4", done=1, total=100)
    assert TRAY in staff.get(reverse("models:tray"), headers=HTMX).content.decode()

    Download.objects.update(state=DownloadState.READY)
    answer = staff.get(reverse("models:tray"), headers=HTMX)

    assert answer.status_code == 200
    assert answer.content.strip() == b""


def test_members_neither_see_nor_ask_for_it(member, folder):
    under_way("Q4", done=1, total=100)

    assert TRAY not in text(member)
    assert member.get(reverse("models:tray")).status_code == 403
    assert not [one for one in queries_of(member) if "models_app_download" in one]


def test_it_costs_staff_one_query(staff, folder):
    assert len([one for one in queries_of(staff) if "models_app_download" in one]) == 1
    under_way("Q4", done=1, total=100)
    assert len([one for one in queries_of(staff) if "models_app_download" in one]) == 1
