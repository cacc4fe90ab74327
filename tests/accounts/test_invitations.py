"""Joining by a link: what it gives, and that it works once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import invitations
from accounts.invitations import InvitationRefused
from accounts.models import Invitation, Role, User
from tests.accounts.conftest import PASSWORD

JOIN = {"username": "bob", "password": PASSWORD}


@pytest.fixture
def staff(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


def link_of(page: str) -> str:
    found = re.search(r'id="handed-link">http://testserver(\S+?)<', page)
    assert found
    return found.group(1)


def test_the_link_makes_a_person_of_that_role_and_group(staff, client):
    group = Group.objects.create(name="Writers")
    made = staff.post(
        "/people/invite", {"note": "Bob", "role": "viewer", "group": group.pk, "hours": 24}
    )
    link = link_of(made.text)

    assert "a viewer" in client.get(link).text
    answer = client.post(link, JOIN)

    assert answer["Location"] == "/"
    bob = User.objects.get(username="bob")
    assert (bob.role, bob.can_generate) == (Role.VIEWER, False)
    assert list(bob.groups.all()) == [group]
    assert client.session["_auth_user_id"] == str(bob.pk)
    assert Invitation.objects.get().used_by == bob


@pytest.mark.parametrize("name", ["ﾀﾅｶ", "\uff21lice", "ﬁona"])
def test_a_name_that_sign_in_reads_in_its_plain_form_signs_in(administrator, client, name):
    _, token = invitations.invite(by=administrator, role=Role.MEMBER, group=None, hours=1)
    client.post(f"/join/{token}/", {**JOIN, "username": name})

    answer = Client().post("/sign-in/", {"username": name, "password": PASSWORD})

    assert answer.status_code == 302


def test_only_the_hash_of_the_link_is_stored(staff):
    link = link_of(staff.post("/people/invite", {"role": "member", "hours": 1}).text)
    token = link.split("/")[2]

    stored = " ".join(str(value) for value in Invitation.objects.values_list().get())

    assert len(token) == 43
    assert token not in stored
    assert token not in staff.get("/people/").text


def test_a_used_link_says_so(staff, client):
    link = link_of(staff.post("/people/invite", {"role": "member", "hours": 1}).text)
    client.post(link, JOIN)

    answer = Client().get(link)

    assert answer.status_code == 410
    assert "was used already" in answer.text


def test_an_expired_link_says_so(staff, client, administrator):
    invitation, token = invitations.invite(by=administrator, role=Role.MEMBER, group=None, hours=1)
    invitation.expires_at = timezone.now() - timedelta(seconds=1)
    invitation.save()

    answer = client.post(f"/join/{token}/", JOIN)

    assert answer.status_code == 410
    assert "has expired" in answer.text
    assert not User.objects.filter(username="bob").exists()


def test_the_invitation_of_somebody_switched_off_is_void(administrator, client):
    _, token = invitations.invite(by=administrator, role=Role.MEMBER, group=None, hours=1)
    User.objects.update(is_active=False)

    assert client.get(f"/join/{token}/").status_code == 410


@pytest.mark.parametrize("change", [{"is_staff": False}, {"is_active": False}])
def test_it_holds_no_longer_than_its_maker_is_an_administrator(staff, client, change):
    maker = User.objects.create_superuser("mary", password=PASSWORD)
    _, token = invitations.invite(
        by=maker, role=Role.ADMINISTRATOR, group=None, hours=1, note="For Bob"
    )
    assert "For Bob" in staff.get("/people/").text
    User.objects.filter(pk=maker.pk).update(**change)

    answer = client.post(f"/join/{token}/", JOIN)

    assert answer.status_code == 410
    assert not User.objects.filter(username="bob").exists()
    assert "For Bob" not in staff.get("/people/").text


def test_a_withdrawn_link_leads_nowhere(staff, client):
    link = link_of(staff.post("/people/invite", {"role": "member", "hours": 1}).text)
    staff.post(f"/people/invitations/{Invitation.objects.get().pk}/withdraw")

    answer = client.get(link)

    assert answer.status_code == 404
    assert "was withdrawn" in answer.text


def test_guessing_is_stopped_after_ten(administrator, client):
    _, token = invitations.invite(by=administrator, role=Role.MEMBER, group=None, hours=1)
    for number in range(10):
        assert client.get(f"/join/guess-{number}/").status_code == 404

    assert client.get(f"/join/{token}/").status_code == 429


def test_a_name_that_is_taken_is_refused_in_the_form(administrator, client):
    _, token = invitations.invite(by=administrator, role=Role.MEMBER, group=None, hours=1)

    answer = client.post(f"/join/{token}/", {**JOIN, "username": administrator.username})

    assert answer.status_code == 422
    assert "Somebody here has this name" in answer.text
    assert Invitation.objects.open().count() == 1


def test_somebody_signed_in_does_not_use_it_up(staff):
    link = link_of(staff.post("/people/invite", {"role": "member", "hours": 1}).text)

    assert "You are signed in" in staff.get(link).text
    assert staff.post(link, JOIN).status_code == 200
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "wrong", [{"hours": 24 * 365}, {"hours": "NaN"}, {"role": "root"}, {"group": 99}]
)
def test_an_invitation_that_is_none_of_the_choices_is_refused(staff, wrong):
    answer = staff.post("/people/invite", {"role": "member", "hours": 1, **wrong})

    assert answer.status_code == 422
    assert not Invitation.objects.exists()


def test_nobody_joins_without_a_link(administrator, client):
    assert client.post("/join//", JOIN).status_code in (302, 404)
    assert client.post("/join/x/", JOIN).status_code == 404
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_joins():
    administrator = User.objects.create_superuser("alice", password=PASSWORD)
    _, token = invitations.invite(by=administrator, role=Role.MEMBER, group=None, hours=1)

    def join(number: int) -> bool:
        try:
            invitations.accept(token, username=f"user{number}", password=PASSWORD)
        except InvitationRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(20) as threads:
        outcomes = list(threads.map(join, range(20)))

    assert outcomes.count(True) == 1
    assert User.objects.count() == 2
