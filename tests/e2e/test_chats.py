from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import chatting


@pytest.fixture
def page(product, signed_in) -> Page:
    page: Page = signed_in(product)
    chatting.send(page, "A chat about owls", model="plain")
    chatting.wait_until_done(page)
    return page


def act(page: Page, title: str, action: str) -> None:
    page.get_by_role("button", name=f"Actions for {title}").first.click()
    page.get_by_role("menuitem", name=action).locator("visible=true").click()


def link(page: Page, title: str):
    return page.get_by_role("navigation").get_by_role("link", name=title)


def test_a_chat_is_named_after_its_first_line_and_marked(page):
    expect(link(page, "A chat about owls").first).to_have_attribute("aria-current", "page")
    expect(page).to_have_title("A chat about owls · Minerva")


def test_a_chat_is_renamed_in_place(page):
    act(page, "A chat about owls", "Rename")
    title = page.get_by_role("textbox", name="Title")
    expect(title).to_be_focused()
    title.fill("Owls at night")
    page.keyboard.press("Enter")

    expect(link(page, "Owls at night")).to_be_visible()
    page.reload()
    expect(page).to_have_title("Owls at night · Minerva")


def test_a_deleted_chat_comes_back_with_undo(page):
    address = page.url
    before = link(page, "A chat about owls").count()
    act(page, "A chat about owls", "Delete")
    expect(link(page, "A chat about owls")).to_have_count(before - 1)

    page.get_by_role("button", name="Undo").click()

    expect(link(page, "A chat about owls")).to_have_count(before)
    page.goto(address)
    expect(chatting.answers(page)).to_have_count(1)


def test_a_new_chat_begins_by_keyboard(page):
    page.keyboard.press("Control+Shift+O")

    page.wait_for_url("**/")
    expect(page.get_by_label("Message", exact=True)).to_be_focused()


def test_the_browser_says_which_time_it_is_there(product, signed_in):
    page = signed_in(product, timezone_id="Asia/Tokyo")

    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}

    assert cookies["minerva_timezone"] == "Asia/Tokyo"
