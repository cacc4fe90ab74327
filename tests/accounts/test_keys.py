from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts import keys
from accounts.key_models import ApiKey, Scope
from accounts.keys import MAX_KEYS, NewKey, TooManyKeys
from accounts.models import User


@pytest.fixture
def ada(db) -> User:
    return User.objects.create_user("ada")


def found(secret: str) -> ApiKey:
    key = keys.find(secret)
    assert key is not None
    return key


def made(owner: User, **options) -> NewKey:
    return keys.create(owner=owner, name="editor", scopes=[Scope.GENERATE], **options)


def test_a_key_is_found_by_what_was_shown_once(ada):
    new = made(ada)

    assert keys.find(new.secret) == new.key
    assert new.secret.startswith("sk-minerva-")


@pytest.mark.parametrize(
    "change",
    [
        lambda secret: "",
        lambda secret: secret[:-1],
        lambda secret: secret + "x",
        lambda secret: secret.upper(),
        lambda secret: secret.replace("sk-minerva-", "sk-minerva-0"),
        lambda secret: "sk-minerva-" + "x" * 10_000,
        lambda secret: "sk-minerva-\x00-ü",
    ],
)
def test_what_is_not_quite_a_key_finds_nothing(ada, change):
    assert keys.find(change(made(ada).secret)) is None


def test_nothing_in_the_database_is_of_use_as_a_key(ada):
    secret = made(ada).secret.rpartition("-")[2]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        stored = str(cursor.fetchall())

    assert secret not in stored


def test_a_key_stays_good_while_the_old_secret_key_is_listed(ada, settings):
    new = made(ada)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]

    assert keys.find(new.secret) == new.key

    settings.SECRET_KEY_FALLBACKS = []
    assert keys.find(new.secret) is None


def test_a_revoked_an_expired_and_a_switched_off_ones_key_are_not_valid(ada):
    revoked, expired, good = made(ada), made(ada, lifetime=timedelta(days=1)), made(ada)
    keys.revoke(revoked.key)
    ApiKey.objects.filter(pk=expired.key.pk).update(expires_at=timezone.now())
    ids = [new.key.pk for new in (revoked, expired, good)]

    assert keys.still_valid(ids) == {good.key.pk}
    assert [found(new.secret).is_valid for new in (revoked, expired, good)] == [
        False,
        False,
        True,
    ]

    User.objects.filter(pk=ada.pk).update(is_active=False)

    assert keys.still_valid(ids) == set()
    assert not found(good.secret).is_valid


def test_use_is_written_at_most_once_a_minute(ada, django_assert_num_queries):
    new = made(ada)
    keys.note_use(found(new.secret))
    first = ApiKey.objects.get(pk=new.key.pk).last_used_at
    assert first is not None

    key = found(new.secret)
    with django_assert_num_queries(0):
        keys.note_use(key)

    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    keys.note_use(found(new.secret))
    again = ApiKey.objects.get(pk=new.key.pk).last_used_at
    assert again is not None
    assert again >= first


def test_a_person_has_fifty_keys_at_most(ada):
    for _ in range(MAX_KEYS):
        last = made(ada)

    with pytest.raises(TooManyKeys):
        made(ada)

    keys.revoke(last.key)
    made(ada)


def test_a_key_may_be_limited_to_models():
    assert ApiKey(model_ids=[]).allows_model("any")
    assert ApiKey(model_ids=["a"]).allows_model("a")
    assert not ApiKey(model_ids=["a"]).allows_model("b")
