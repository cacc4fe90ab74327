from __future__ import annotations

import time

import pytest
from django.conf import settings
from django.test import Client

from accounts import sessions
from accounts.models import User
from tests.accounts.conftest import NAME, PASSWORD

RIGHT = {"username": NAME, "password": PASSWORD}
WRONG = {"username": NAME, "password": "not the password"}


def test_a_visitor_is_led_to_the_sign_in_page_and_back(client, administrator):
    answer = client.get("/models/?sort=size")
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in/?next=/models/%3Fsort%3Dsize"

    answer = client.post("/sign-in/", {**RIGHT, "next": "/models/?sort=size"})

    assert answer.status_code == 302
    assert answer["Location"] == "/models/?sort=size"


def test_a_fragment_request_without_session_moves_the_whole_page_to_sign_in(client, administrator):
    answer = client.get(
        "/models/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/models/"},
    )

    assert answer["HX-Redirect"] == "/sign-in/?next=%2Fmodels%2F"
    assert answer.content == b""


def test_a_page_address_that_is_none_leads_to_sign_in_all_the_same(client, administrator):
    answer = client.get("/models/", headers={"HX-Request": "true", "HX-Current-URL": "http://["})

    assert answer["HX-Redirect"] == "/sign-in/?"


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "https:///x",
        "foo",
        "accounts:sign_in",
    ],
)
def test_a_foreign_target_is_not_followed_after_sign_in(client, administrator, target):
    answer = client.post("/sign-in/", {**RIGHT, "next": target})

    assert answer["Location"] == "/"


def test_a_wrong_password_is_explained_and_the_name_kept(client, administrator):
    answer = client.post("/sign-in/", WRONG)

    assert answer.status_code == 422
    assert "The name or the password is not right." in answer.text
    assert f'value="{NAME}"' in answer.text
    assert "not the password" not in answer.text


def test_an_unknown_name_gets_the_same_answer_as_a_wrong_password(client, administrator):
    known = client.post("/sign-in/", WRONG)
    unknown = client.post("/sign-in/", {**WRONG, "username": "nobody"})

    assert unknown.status_code == known.status_code
    assert "The name or the password is not right." in unknown.text


def test_the_session_gets_a_new_key_at_sign_in(client, administrator):
    client.get("/sign-in/")
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key

    client.post("/sign-in/", RIGHT)

    assert client.session.session_key != session.session_key


def test_the_cookies_are_closed_to_scripts_and_other_sites(client, administrator):
    client.get("/sign-in/")
    client.post("/sign-in/", RIGHT)

    for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
        assert client.cookies[name]["httponly"]
        assert client.cookies[name]["samesite"] == "Lax"


def test_five_failures_lock_the_name_for_this_address(client, administrator):
    for _ in range(4):
        assert client.post("/sign-in/", WRONG).status_code == 422

    answer = client.post("/sign-in/", WRONG)

    assert answer.status_code == 429
    assert "Too many attempts" in answer.text
    assert client.post("/sign-in/", RIGHT).status_code == 429


def test_a_locked_name_still_signs_in_from_another_address(client, administrator):
    for _ in range(6):
        client.post("/sign-in/", WRONG)

    answer = Client(REMOTE_ADDR="10.0.0.9").post("/sign-in/", RIGHT)

    assert answer.status_code == 302


def test_an_address_that_tries_many_names_is_stopped(client, administrator):
    for number in range(10):
        client.post("/sign-in/", {**WRONG, "username": f"name{number}"})

    assert client.post("/sign-in/", RIGHT).status_code == 429


def test_somebody_signed_in_is_not_asked_again(client, administrator):
    client.force_login(administrator)

    assert client.get("/sign-in/")["Location"] == "/"


def test_somebody_signed_in_is_not_led_to_what_is_no_path(client, administrator):
    client.force_login(administrator)

    assert client.get("/sign-in/", {"next": "foo"})["Location"] == "/"


def test_signing_out_ends_the_session_and_clears_the_browser(client, administrator):
    client.force_login(administrator)

    answer = client.post("/sign-out/")

    assert answer["Location"] == "/sign-in/"
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert client.get("/models/").status_code == 302


def test_signing_out_takes_a_post(client, administrator):
    client.force_login(administrator)

    assert client.get("/sign-out/").status_code == 405
    assert "_auth_user_id" in client.session


def test_a_switched_off_account_cannot_sign_in(client, administrator):
    User.objects.create_user("bob", password=PASSWORD, is_active=False)

    assert client.post("/sign-in/", {**RIGHT, "username": "bob"}).status_code == 422


def test_a_session_that_was_left_alone_for_a_day_is_over(client, administrator):
    client.force_login(administrator)
    session = client.session
    session[sessions.SEEN_AT] = time.time() - settings.SESSION_IDLE_SECONDS - 1
    session.save()

    assert client.get("/models/").status_code == 302


def test_a_session_in_daily_use_ends_after_two_weeks(client, administrator):
    client.force_login(administrator)
    session = client.session
    session[sessions.STARTED_AT] = time.time() - settings.SESSION_COOKIE_AGE - 1
    session.save()

    assert client.get("/models/").status_code == 302


def test_a_session_is_written_at_most_every_five_minutes():
    class Recorded(dict[str, object]):
        def __setitem__(self, key, value):
            super().__setitem__(key, value)
            self.num_writes = getattr(self, "num_writes", 0) + 1

    session = Recorded({"_auth_user_id": "1"})

    for second in range(600):
        sessions.touch(session, now=1000.0 + second)  # type: ignore[arg-type]

    assert session.num_writes == 3  # the start, the first sight, and one more


def test_the_owners_own_browser_signs_in_while_a_stranger_guesses(client, administrator):
    client.post("/sign-in/", RIGHT)
    client.post("/sign-out/")
    stranger = Client()
    for _ in range(30):
        stranger.post("/sign-in/", WRONG)
    assert stranger.post("/sign-in/", RIGHT).status_code == 429

    assert client.post("/sign-in/", RIGHT).status_code == 302


def test_guessing_from_many_addresses_is_stopped_for_the_name(client, administrator):
    for number in range(20):
        Client(REMOTE_ADDR=f"10.0.0.{number}").post("/sign-in/", WRONG)

    assert Client(REMOTE_ADDR="10.0.1.1").post("/sign-in/", RIGHT).status_code == 429


def test_a_known_browser_guesses_no_more_than_ten_times(client, administrator):
    client.post("/sign-in/", RIGHT)
    client.post("/sign-out/")
    for _ in range(10):
        assert client.post("/sign-in/", WRONG).status_code == 422

    assert client.post("/sign-in/", RIGHT).status_code == 429


def test_a_known_browser_is_known_for_its_own_people_only(client, administrator):
    User.objects.create_user("bob", password=PASSWORD)
    client.post("/sign-in/", {**RIGHT, "username": "bob"})
    client.post("/sign-out/")
    for _ in range(5):
        client.post("/sign-in/", WRONG)

    assert client.post("/sign-in/", RIGHT).status_code == 429
    assert client.post("/sign-in/", {**RIGHT, "username": "bob"}).status_code == 302


def test_a_forged_device_cookie_counts_for_nothing(client, administrator):
    client.cookies[settings.DEVICE_COOKIE_NAME] = "eyJwZW9wbGUiOlsxXX0:forged:signature"
    for _ in range(5):
        client.post("/sign-in/", WRONG)

    assert client.post("/sign-in/", RIGHT).status_code == 429
