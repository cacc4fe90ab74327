"""Who reads a chat: its owner, and whom the owner names; nobody else, administrators included."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from accounts.models import User
from chat.models import Conversation, Share

pytestmark = pytest.mark.django_db
CANARY = "canary-5f1c"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def writers() -> Group:
    return Group.objects.create(name="Writers")


@pytest.fixture
def linus(db, writers) -> User:
    user = User.objects.create_user("linus", is_viewer=True)
    user.groups.add(writers)
    return user


@pytest.fixture
def chat(grace: User, ada: User) -> Conversation:
    """Of Grace, a member; Ada is the administrator."""
    chat = Conversation.objects.create(owner=grace, title=f"Title {CANARY}")
    chat.leaf = chat.messages.create(role="user", text=f"Text {CANARY}")
    chat.save()
    return chat


def share(chat: Conversation, owner: User, group: Group | None = None) -> str:
    form = {"group": group.pk if group else ""}
    assert client_of(owner).post(f"/c/{chat.pk}/share/", form).status_code == 302
    return f"/shared/{Share.objects.get().pk}/"


def sees(user: User, address: str) -> bool:
    response = client_of(user).get(address)
    listed = CANARY in client_of(user).get("/shared/").text
    assert listed == (response.status_code == 200)
    return listed and CANARY in response.text


def test_what_is_not_shared_is_read_by_nobody_else(chat, ada, linus):
    for user in (ada, linus):
        assert client_of(user).get(f"/c/{chat.pk}/").status_code == 404
        assert not sees(user, f"/shared/{chat.pk}/")


def test_shared_with_everybody(chat, grace, ada, linus):
    address = share(chat, grace)

    assert sees(ada, address)
    assert sees(linus, address)


def test_shared_with_a_group_is_not_for_administrators(chat, grace, ada, linus, writers):
    grace.groups.add(writers)
    address = share(chat, grace, writers)

    assert sees(linus, address)
    assert not sees(ada, address)


def test_it_is_taken_back(chat, grace, linus):
    address = share(chat, grace)
    client_of(grace).post(f"/c/{chat.pk}/unshare/")

    assert not sees(linus, address)


def test_a_deleted_chat_is_shared_with_nobody(chat, grace, linus):
    address = share(chat, grace)
    client_of(grace).post(f"/c/{chat.pk}/delete/")

    assert not sees(linus, address)


def test_whoever_leaves_the_group_reads_it_no_more(chat, grace, linus, writers):
    grace.groups.add(writers)
    address = share(chat, grace, writers)
    linus.groups.clear()

    assert not sees(linus, address)


def test_the_group_stays_the_readers_when_the_owner_has_left_it(chat, grace, writers):
    grace.groups.add(writers)
    share(chat, grace, writers)
    grace.groups.clear()

    page = client_of(grace).get(f"/c/{chat.pk}/share/").text
    share(chat, grace, writers)

    assert f'<option value="{writers.pk}" selected>Writers</option>' in page
    assert Share.objects.get().group == writers


def test_nobody_shares_with_a_group_they_are_not_in(chat, grace, writers):
    response = client_of(grace).post(f"/c/{chat.pk}/share/", {"group": writers.pk})

    assert response.status_code == 422
    assert not Share.objects.exists()


def test_a_reader_changes_nothing_and_gets_no_source(chat, grace, ada, linus):
    share(chat, grace)
    message = chat.messages.get()
    reader = client_of(linus)

    for path in ("share", "unshare", "delete", "rename", "send", "stop", "model", "shorten"):
        data = {"text": "x", "client_id": str(uuid4())}
        assert reader.post(f"/c/{chat.pk}/{path}/", data).status_code in (403, 404), path
    assert reader.get(f"/c/{chat.pk}/m/{message.pk}/source/").status_code == 404
    assert Share.objects.exists()


def test_the_page_for_readers_offers_no_action(chat, grace, linus):
    page = client_of(linus).get(share(chat, grace)).text

    assert "data-retry" not in page
    assert "data-copy-source" not in page
    assert 'id="composer"' not in page


def test_a_viewer_has_a_home_that_says_what_to_do(linus, entry):
    page = client_of(linus).get("/").text

    assert "Your account is for reading" in page
    assert 'id="composer"' not in page
