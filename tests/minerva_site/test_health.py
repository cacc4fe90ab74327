"""Health says what is true: each part is looked at, and one that fails is named."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from minerva_site import health
from minerva_site.models import Heartbeat


@pytest.fixture(autouse=True)
def fresh_look(monkeypatch) -> None:
    monkeypatch.setattr(health, "_readiness", health.Readiness())


def beat(*, seconds_ago: float) -> None:
    Heartbeat.objects.create(name="worker", beat_at=timezone.now() - timedelta(seconds=seconds_ago))


@pytest.mark.django_db
def test_healthz_answers_without_an_account(client):
    answer = client.get("/healthz")

    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.django_db(transaction=True)
def test_readyz_names_each_part_that_is_not_ready(client):
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "database": "ok",
        "worker": "no heartbeat yet",
        "inference": "does not answer",
    }


@pytest.mark.django_db(transaction=True)
def test_a_look_writes_to_the_database(client):
    client.get("/readyz")

    assert Heartbeat.objects.filter(name="web").exists()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_cannot_be_written_to_is_reported(client, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise DatabaseError("disk full at /secret/path")

    monkeypatch.setattr(type(Heartbeat.objects.all()), "update_or_create", fail)

    answer = client.get("/readyz")

    assert answer.json()["database"] == "cannot be written to"
    assert "/secret/path" not in answer.text
    assert "disk full" in caplog.text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("seconds_ago", "state"), [(0, "ok"), (25, "ok"), (35, "no heartbeat for 35 s")]
)
def test_the_worker_is_ready_while_its_heartbeat_is_fresh(client, seconds_ago, state):
    beat(seconds_ago=seconds_ago)

    assert client.get("/readyz").json()["worker"] == state


@pytest.mark.django_db(transaction=True)
def test_asking_often_looks_once(client):
    client.get("/readyz")
    Heartbeat.objects.all().delete()

    client.get("/readyz")

    assert not Heartbeat.objects.filter(name="web").exists()
