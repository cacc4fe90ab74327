"""A team in two browsers: invited, chatting, shut out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import chatting
from tests.e2e.conftest import PASSWORD
from tests.e2e.product import Product
from tests.e2e.scripts import PLAIN


@pytest.fixture
def guest(browser: Browser) -> Iterator[Page]:
    """A browser that nobody has signed in with."""
    context = browser.new_context()
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def invite(page: Page, product: Product, *, role: str = "member") -> str:
    page.goto(product.url + "/people/")
    page.get_by_label("Role", exact=True).select_option(role)
    page.get_by_role("button", name="Make a link").click()
    return page.locator("#handed-link").inner_text()


def join(page: Page, product: Product, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    page.wait_for_url(product.url + "/")


def manage(page: Page, product: Product, name: str) -> None:
    page.goto(product.url + "/people/")
    page.get_by_role("link", name=f"Manage {name}").click()


def wait_until_out(guest: Page) -> None:
    """The socket was closed with the code that says so, and the page went to sign in."""
    guest.wait_for_url("**/sign-in/**", timeout=15_000)


def test_an_invited_member_chats_and_is_shut_out(product: Product, signed_in, guest: Page):
    admin = signed_in(product)
    link = invite(admin, product)
    join(guest, product, link, "grace")
    chatting.send(guest, "Hello", model="plain")
    answer = chatting.wait_until_done(guest)
    assert chatting.text_of(answer).inner_text().strip() == PLAIN
    chat = chatting.conversation_path(guest)
    manage(admin, product, "grace")

    admin.get_by_role("button", name="Switch off").click()

    wait_until_out(guest)
    guest.goto(chat)
    assert "/sign-in/" in guest.url


def test_a_used_invitation_is_refused_in_words(product: Product, signed_in, guest: Page):
    link = invite(signed_in(product), product)
    join(guest, product, link, "linus")
    guest.get_by_role("button", name="linus").click()
    guest.get_by_role("button", name="Sign out").click()

    guest.goto(link)

    expect(guest.get_by_role("alert")).to_contain_text("was used already")


def test_a_viewer_reads_what_is_shared_and_has_no_composer(
    product: Product, signed_in, guest: Page
):
    admin = signed_in(product)
    chatting.send(admin, "Why is it shared?", model="plain")
    chatting.wait_until_done(admin)
    address = chatting.conversation_path(admin)
    admin.goto(address + "share/")
    admin.get_by_role("button", name="Share", exact=True).click()
    expect(admin.get_by_text("can read it", exact=False).first).to_be_visible()

    join(guest, product, invite(admin, product, role="viewer"), "vera")

    expect(guest.locator("#composer")).to_have_count(0)
    guest.get_by_role("link", name="What is shared with you").click()
    guest.get_by_role("link", name="Why is it shared?").first.click()
    expect(guest.get_by_text(PLAIN.splitlines()[0][:20], exact=False).first).to_be_visible()


def test_signing_out_everywhere_closes_the_other_browser(
    product: Product, signed_in, guest: Page, browser: Browser
):
    join(guest, product, invite(signed_in(product), product), "mary")
    chatting.send(guest, "Hello", model="plain")
    chatting.wait_until_done(guest)
    other = browser.new_context(storage_state=guest.context.storage_state()).new_page()
    other.goto(product.url + "/profile/")

    other.get_by_role("button", name="Sign out everywhere").click()

    wait_until_out(guest)
    other.context.close()
