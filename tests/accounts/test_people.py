"""What administrators do to people, and what each does with the own account."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import Role, Session, User
from accounts.sessions import device_name
from tests.accounts.conftest import NAME, PASSWORD

NEW = "another good passphrase"


@pytest.fixture
def staff(administrator: User) -> Client:
    client = Client(headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"})
    client.force_login(administrator)
    return client


@pytest.fixture
def bob(administrator: User) -> User:
    return User.objects.create_user("bob", password=PASSWORD)


def signed_in(user: User, user_agent: str = "Mozilla/5.0 (iPhone) Safari/1") -> Client:
    client = Client(headers={"user-agent": user_agent})
    client.post("/sign-in/", {"username": user.username, "password": PASSWORD})
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


def test_the_page_lists_people_with_few_queries(staff, bob, django_assert_max_num_queries):
    group = Group.objects.create(name="Writers")
    for number in range(30):
        User.objects.create_user(f"person{number}").groups.add(group)

    with django_assert_max_num_queries(11):
        page = staff.get("/people/").text

    assert page.count('data-label="Role"') == 32


def test_a_role_and_groups_are_given(staff, bob):
    group = Group.objects.create(name="Writers")

    answer = staff.post(f"/people/{bob.pk}/", {"role": "viewer", "groups": [group.pk]})

    assert answer.status_code == 302
    bob.refresh_from_db()
    assert (bob.role, list(bob.groups.all())) == (Role.VIEWER, [group])


@pytest.mark.parametrize("group", [99, "9" * 30, "9" * 5000, "-1", "x", "\x00"])
def test_a_group_that_there_is_not_is_refused_in_words(staff, bob, group):
    answer = staff.post(f"/people/{bob.pk}/", {"role": "viewer", "groups": [group]})

    assert answer.status_code == 422
    assert "field-error" in answer.text
    bob.refresh_from_db()
    assert bob.role == Role.MEMBER


def test_a_new_administrator_may_what_the_first_may(staff, bob):
    staff.post(f"/people/{bob.pk}/", {"role": "administrator"})

    assert signed_in(bob).get("/people/").status_code == 200


def test_the_last_administrator_stays_one(staff, bob, administrator):
    refused = staff.post(f"/people/{administrator.pk}/", {"role": "member"})
    staff.post(f"/people/{administrator.pk}/deactivate")

    assert refused.status_code == 422
    assert "There has to be an administrator" in refused.text
    administrator.refresh_from_db()
    assert (administrator.role, administrator.is_active) == (Role.ADMINISTRATOR, True)


def test_somebody_switched_off_is_out_at_once_and_stays_out(staff, bob):
    client = signed_in(bob)
    assert is_signed_in(client)

    staff.post(f"/people/{bob.pk}/deactivate")

    assert not is_signed_in(client)
    assert not Session.objects.filter(user=bob).exists()
    assert not is_signed_in(signed_in(bob))


def test_somebody_switched_on_again_signs_in(staff, bob):
    staff.post(f"/people/{bob.pk}/deactivate")
    staff.post(f"/people/{bob.pk}/reactivate")

    assert is_signed_in(signed_in(bob))


def test_one_sees_the_own_sessions_with_their_devices(bob):
    phone = signed_in(bob)
    signed_in(bob, "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537 Edg/140.0")

    page = phone.get("/profile/").text

    assert "Safari on iPhone" in page
    assert "Edge on Windows" in page
    assert page.count("this one") == 1
    for session in Session.objects.all():
        assert session.session_key not in page


def test_one_session_is_ended_by_another(bob):
    phone, laptop = signed_in(bob), signed_in(bob, "Firefox")
    session = Session.objects.get(session_key=laptop.session.session_key)

    phone.post(f"/profile/sessions/{session.public_id}/end")

    assert is_signed_in(phone)
    assert not is_signed_in(laptop)


def test_nobody_ends_the_session_of_somebody_else(bob, staff, administrator):
    session = Session.objects.get(user=administrator)

    answer = signed_in(bob).post(f"/profile/sessions/{session.public_id}/end")

    assert answer.status_code == 404
    assert is_signed_in(staff)


def test_signing_out_everywhere_ends_all_of_them(bob, staff):
    phone, laptop = signed_in(bob), signed_in(bob)

    assert phone.post("/profile/sign-out")["Clear-Site-Data"]

    assert not is_signed_in(phone)
    assert not is_signed_in(laptop)
    assert is_signed_in(staff)


def test_a_changed_password_ends_the_other_sessions(bob):
    here, there = signed_in(bob), signed_in(bob)

    answer = here.post("/profile/password", {"current": PASSWORD, "password": NEW})

    assert answer.status_code == 302
    assert is_signed_in(here)
    assert not is_signed_in(there)


@pytest.mark.parametrize(
    ("current", "password", "sentence"),
    [
        ("wrong", NEW, "not your current password"),
        (PASSWORD, "short", "at least 12 characters"),
        (PASSWORD, "", "This field is required."),
    ],
)
def test_a_password_that_is_not_accepted_changes_nothing(bob, current, password, sentence):
    client = signed_in(bob)

    answer = client.post("/profile/password", {"current": current, "password": password})

    assert answer.status_code == 422
    assert sentence in answer.text
    bob.refresh_from_db()
    assert bob.check_password(PASSWORD)


def test_a_name_is_changed_unless_somebody_has_it(bob):
    client = signed_in(bob)

    refused = client.post("/profile/name", {"username": NAME})
    client.post("/profile/name", {"username": "robert"})

    assert refused.status_code == 422
    assert "Somebody here has this name" in refused.text
    bob.refresh_from_db()
    assert bob.username == "robert"
    assert is_signed_in(client)


def reset_link(staff: Client, person: User) -> str:
    page = staff.post(f"/people/{person.pk}/reset-link").text
    found = re.search(r'id="handed-link">http://testserver(\S+?)<', page)
    assert found
    return found.group(1)


def test_a_reset_link_works_once_and_ends_all_sessions(staff, bob):
    there, link, fresh = signed_in(bob), reset_link(staff, bob), Client()

    assert fresh.post(link, {"password": NEW})["Location"] == "/"

    bob.refresh_from_db()
    assert bob.check_password(NEW)
    assert is_signed_in(fresh)
    assert not is_signed_in(there)
    again = Client().get(link)
    assert again.status_code == 404
    assert "Ask an administrator" in again.text


def test_a_reset_link_is_for_one_person(staff, bob, administrator):
    mine, theirs = reset_link(staff, bob).split("/"), reset_link(staff, administrator).split("/")
    swapped = "/".join([*mine[:2], theirs[2], *mine[3:]])

    assert Client().post(swapped, {"password": NEW}).status_code == 404


@pytest.mark.parametrize("name", ["", "x", "MQ", "8J-YgA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_a_guessed_reset_link_is_refused(client, administrator, name):
    assert client.get(f"/reset/{name or '-'}/abc-def/").status_code == 404


def test_a_reset_weak_password_is_explained(staff, bob):
    answer = Client().post(reset_link(staff, bob), {"password": "short"})

    assert answer.status_code == 422
    assert "at least 12 characters" in answer.text


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 14) Safari/605", "Safari on Mac"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140 Safari/537", "Chrome on Android"),
        ("", "A browser"),
        ("<script>" * 10_000, "A browser"),
    ],
)
def test_a_device_is_named_after_browser_and_system(user_agent, name):
    assert device_name(user_agent) == name


def test_groups_are_made_and_deleted(staff):
    staff.post("/people/groups", {"name": "Writers"})
    twice = staff.post("/people/groups", {"name": "Writers"})
    staff.post(f"/people/groups/{Group.objects.get().pk}/delete")

    assert twice.status_code == 422
    assert not Group.objects.exists()
