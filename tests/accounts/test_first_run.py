"""Until there is an administrator: what answers, and who may become it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from accounts.first_run import AlreadySetUp, create_administrator
from accounts.models import User
from tests.accounts.conftest import NAME, PASSWORD


def fill_in(token: str, *, username: str = NAME, password: str = PASSWORD) -> dict[str, str]:
    return {"token": token, "username": username, "password": password}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/models/", "/sign-in/", "/nowhere", "/styleguide/"])
def test_every_page_says_only_that_it_is_not_set_up(client, path):
    answer = client.get(path)

    assert answer.status_code == 503
    assert "printed in the terminal" in answer.text


@pytest.mark.django_db
def test_health_answers_before_the_set_up(client):
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_the_link_leads_to_the_form(client, token):
    answer = client.get("/setup/", {"token": token})

    assert answer.status_code == 200
    assert "Create administrator" in answer.text
    assert "One moment" not in answer.text


@pytest.mark.django_db
def test_the_form_creates_the_administrator_signs_in_and_uses_the_token_up(client, token):
    answer = client.post("/setup/", fill_in(token))

    assert answer.status_code == 302
    assert answer["Location"] == "/"
    user = User.objects.get()
    assert (user.username, user.is_superuser, user.is_staff) == (NAME, True, True)
    assert user.password.startswith("argon2$argon2id$")
    assert client.session["_auth_user_id"] == str(user.pk)
    assert not settings.SETUP_TOKEN_FILE.exists()


@pytest.mark.django_db
def test_the_link_does_not_work_a_second_time(client, token):
    client.post("/setup/", fill_in(token))

    answer = Client().get("/setup/", {"token": token})

    assert answer.status_code == 410
    assert "already set up" in answer.text


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", ["", "the-token", "THE-TOKEN-OF-THIS-TEST", "é", "x" * 10_000])
def test_a_wrong_token_is_refused(client, token, wrong):
    assert client.get("/setup/", {"token": wrong}).status_code == 403
    assert client.post("/setup/", fill_in(wrong)).status_code == 403
    assert not User.objects.exists()


@pytest.mark.django_db
def test_an_empty_token_file_lets_nobody_in(client, token):
    settings.SETUP_TOKEN_FILE.write_text("")

    assert client.get("/setup/", {"token": ""}).status_code == 403


@pytest.mark.django_db
def test_guessing_the_token_is_stopped_after_five_wrong_ones(client, token):
    for number in range(5):
        assert client.get("/setup/", {"token": f"wrong {number}"}).status_code == 403

    assert client.get("/setup/", {"token": token}).status_code == 429


@pytest.mark.django_db
def test_opening_the_page_without_a_token_is_not_an_attempt(client, token):
    for _ in range(10):
        client.get("/setup/")

    assert client.get("/setup/", {"token": token}).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("username", "password", "sentence"),
    [
        ("", PASSWORD, "This field is required."),
        ("a b", PASSWORD, "Enter a valid username."),
        (NAME, "", "This field is required."),
        (NAME, "short", "at least 12 characters"),
        (NAME, "password1234", "too common"),
        ("correct-horse-battery", "correct-horse-battery", "too similar"),
    ],
)
def test_what_is_not_accepted_is_explained_in_the_form(client, token, username, password, sentence):
    answer = client.post("/setup/", fill_in(token, username=username, password=password))

    assert answer.status_code == 422
    assert sentence in answer.text
    assert not User.objects.exists()
    assert settings.SETUP_TOKEN_FILE.exists()


@pytest.mark.django_db
def test_a_name_that_sign_in_reads_in_its_plain_form_signs_in(client, token):
    client.post("/setup/", fill_in(token, username="ﾀﾅｶ"))

    answer = Client().post("/sign-in/", {"username": "ﾀﾅｶ", "password": PASSWORD})

    assert answer.status_code == 302
    assert User.objects.get().username == "タナカ"


@pytest.mark.django_db
def test_a_long_password_is_accepted(client, token):
    answer = client.post("/setup/", fill_in(token, password="long enough " * 20))

    assert answer.status_code == 302


@pytest.mark.django_db
def test_the_form_needs_its_csrf_token(token):
    answer = Client(enforce_csrf_checks=True).post("/setup/", fill_in(token))

    assert answer.status_code == 403
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_fifty_claims_at_once_one_succeeds(token):
    def claim(number: int) -> bool:
        try:
            create_administrator(username=f"user{number}", password=PASSWORD)
        except AlreadySetUp:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(50) as threads:
        outcomes = list(threads.map(claim, range(50)))

    assert outcomes.count(True) == 1
    assert User.objects.count() == 1
