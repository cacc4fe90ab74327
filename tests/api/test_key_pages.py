from __future__ import annotations

import re
from typing import Any

import pytest

from accounts import keys
from accounts.key_models import ApiKey, Scope
from accounts.keys import MAX_KEYS

URL = "/account/keys/"
GIVEN = {"name": "editor", "scopes": ["generate"], "lifetime": "90", "requests_per_minute": "60"}


def shown_secret(answer: Any) -> str:
    shown = re.search(r'id="new-secret">([^<]+)<', answer.text)
    assert shown is not None
    return shown[1]


def found(secret: str) -> ApiKey:
    key = keys.find(secret)
    assert key is not None
    return key


def test_a_new_key_is_shown_once_with_snippets_that_have_it(site, ada, entry):
    answer = site.post(URL, GIVEN)

    secret = shown_secret(answer)
    key = found(secret)
    assert (key.owner, key.name, key.scopes) == (ada, "editor", ["generate"])
    assert answer.text.count(secret) == 4
    assert "http://testserver/v1/chat/completions" in answer.text
    assert "plain" in answer.text
    assert secret not in site.get(URL).text
    assert f"sk-minerva-{key.public_id}-…" in site.get(URL).text


def test_a_key_expires_and_is_limited_as_was_chosen(site, entry):
    secret = shown_secret(site.post(URL, {**GIVEN, "model_ids": [str(entry.pk)]}))
    key = found(secret)

    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days in (89, 90)
    assert key.requests_per_minute == 60
    assert key.model_ids == [str(entry.pk)]

    secret = shown_secret(site.post(URL, {"name": "x", "scopes": ["embed"]}))
    key = found(secret)
    assert (key.expires_at, key.requests_per_minute, key.model_ids) == (None, None, [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"scopes": []},
        {"scopes": ["root"]},
        {"lifetime": "1000"},
        {"requests_per_minute": "0"},
        {"requests_per_minute": "-1"},
        {"model_ids": ["00000000-0000-0000-0000-000000000000"]},
        {"model_ids": ["x"]},
    ],
)
def test_what_is_wrong_is_said_and_no_key_made(site, entry, wrong):
    answer = site.post(URL, {**GIVEN, **wrong})

    assert answer.status_code == 422
    assert "field-error" in answer.text
    assert not ApiKey.objects.exists()


def test_the_fifty_first_key_is_refused_in_words(site, ada, entry):
    for _ in range(MAX_KEYS):
        keys.create(owner=ada, name="x", scopes=[Scope.GENERATE])

    answer = site.post(URL, GIVEN)

    assert answer.status_code == 422
    assert "Revoke one" in answer.text


def test_a_member_cannot_give_a_key_the_right_to_manage_models(member, entry):
    assert member.post(URL, {**GIVEN, "scopes": ["manage"]}).status_code == 422
    assert "Load and unload" not in member.get(URL).text


def test_revoking_ends_a_key_and_takes_it_off_the_list(site, ada, entry):
    new = keys.create(owner=ada, name="editor", scopes=[Scope.GENERATE])

    answer = site.post(f"{URL}{new.key.pk}/revoke/", follow=True)

    assert not found(new.secret).is_valid
    assert new.key.public_id not in answer.text
    assert site.post(f"{URL}{new.key.pk}/revoke/").status_code == 404


def test_nobody_sees_or_revokes_the_key_of_another(site, member, ada, entry):
    new = keys.create(owner=ada, name="secret project", scopes=[Scope.GENERATE])

    assert "secret project" not in member.get(URL).text
    assert member.post(f"{URL}{new.key.pk}/revoke/").status_code == 404
    assert found(new.secret).is_valid


def test_a_visitor_is_led_to_sign_in(client, ada):
    assert client.get(URL).status_code == 302


def test_the_page_asks_the_database_no_more_for_many_keys(
    site, ada, entry, django_assert_num_queries
):
    def make() -> None:
        keys.create(owner=ada, name="x", scopes=[Scope.GENERATE], model_ids=[entry.pk])

    make()
    site.get(URL)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as few:
        site.get(URL)
    for _ in range(20):
        make()

    with django_assert_num_queries(len(few)):
        site.get(URL)
