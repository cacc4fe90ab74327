"""A model that was given to a group is nobody else's: not in the picker, not by its id."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from models_app import catalog
from models_app.models import CatalogEntry, ModelGrant

pytestmark = pytest.mark.django_db


def made_entry(name: str, *groups: Group) -> CatalogEntry:
    entry = CatalogEntry.objects.create(name=name, path=f"/models/{name}.gguf")
    entry.groups.set(groups)
    return entry


def person(name: str, *groups: Group) -> User:
    user = User.objects.create_user(name)
    user.groups.set(groups)
    return user


@pytest.fixture
def writers() -> Group:
    return Group.objects.create(name="Writers")


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    return client


def usable(user: User) -> set[str]:
    return {entry.name for entry in CatalogEntry.objects.for_chat().usable_by(user)}


def test_a_model_of_a_group_is_for_its_people_and_administrators(writers):
    made_entry("open")
    made_entry("secret", writers)
    made_entry("both", writers, Group.objects.create(name="Readers"))

    assert usable(person("bob")) == {"open"}
    assert usable(person("grace", writers)) == {"open", "secret", "both"}
    assert usable(User.objects.create_superuser("ada")) == {"open", "secret", "both"}


def test_a_model_of_two_groups_of_a_person_is_listed_once(writers):
    readers = Group.objects.create(name="Readers")
    made_entry("both", writers, readers)

    assert CatalogEntry.objects.usable_by(person("grace", writers, readers)).count() == 1


def test_the_default_of_a_person_is_one_they_may_use(writers):
    catalog.set_default(made_entry("secret", writers))
    made_entry("open")

    default = catalog.default_entry(person("bob"))

    assert default is not None
    assert default.name == "open"


def test_groups_are_chosen_on_the_settings_page(staff, writers):
    entry = made_entry("secret")

    answer = staff.post(f"/models/{entry.pk}/groups", {"groups": [writers.pk]})

    assert answer.status_code == 302
    assert list(entry.groups.all()) == [writers]
    staff.post(f"/models/{entry.pk}/groups", {})
    assert not ModelGrant.objects.exists()


@pytest.mark.parametrize("groups", ["99", "9" * 30, "x", "1' OR 1=1"])
def test_a_group_that_is_not_there_changes_nothing(staff, writers, groups):
    entry = made_entry("secret", writers)

    staff.post(f"/models/{entry.pk}/groups", {"groups": groups})

    assert list(entry.groups.all()) == [writers]


def test_resetting_the_settings_leaves_the_groups(staff, writers):
    entry = made_entry("secret", writers)

    staff.post(f"/models/{entry.pk}/settings/reset")

    assert list(entry.groups.all()) == [writers]


def test_a_group_with_models_is_not_deleted(staff, writers):
    made_entry("secret", writers)

    page = staff.post(f"/people/groups/{writers.pk}/delete", follow=True)

    assert "only Writers may use" in page.text
    assert Group.objects.exists()


def test_members_grant_nothing(writers):
    entry = made_entry("secret", writers)
    client = Client()
    client.force_login(person("bob"))

    assert client.post(f"/models/{entry.pk}/groups", {}).status_code == 403
    assert client.post(f"/models/{uuid4()}/groups", {}).status_code == 403
    assert entry.groups.exists()
