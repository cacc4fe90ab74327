from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e import chatting
from tests.e2e.scripts import PLAIN


def composer(page: Page):
    return page.get_by_label("Message", exact=True)


def test_enter_sends_and_shift_enter_begins_a_line(product, signed_in):
    page = signed_in(product)
    chatting.choose_model(page, "plain")
    composer(page).click()

    page.keyboard.type("first")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second")
    expect(composer(page)).to_have_value("first\nsecond")
    page.keyboard.press("Enter")

    expect(page.locator("article[data-role=user]")).to_contain_text("first\nsecond")
    expect(composer(page)).to_have_value("")
    chatting.wait_until_done(page)
    expect(composer(page)).to_be_focused()


def test_enter_that_ends_a_composition_sends_nothing(product, signed_in):
    page = signed_in(product)
    composer(page).fill("にほん")

    composer(page).dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    composer(page).dispatch_event("keydown", {"key": "Enter", "keyCode": 229})

    expect(composer(page)).to_have_value("にほん")
    assert "/c/" not in page.url


def test_nothing_can_be_sent_while_the_composer_is_blank(product, signed_in):
    page = signed_in(product)

    composer(page).fill("  \n ")

    expect(page.get_by_role("button", name="Send")).to_be_disabled()


def test_escape_stops_the_answer(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "Talk", model="long")
    chatting.wait_until_streaming(page)

    page.keyboard.press("Escape")

    chatting.wait_for_state(chatting.last_answer(page), "stopped")
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_the_composer_grows_and_then_scrolls(product, signed_in):
    page = signed_in(product)
    heights = []
    for num_lines in (1, 5, 60):
        composer(page).fill("\n".join(["line"] * num_lines))
        heights.append(composer(page).bounding_box()["height"])

    assert heights[0] < heights[1] < heights[2] <= 0.41 * page.viewport_size["height"]


def test_a_draft_survives_a_reload(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "Hello", model="plain")
    chatting.wait_until_done(page)
    composer(page).fill("half a thought")

    page.reload()

    expect(composer(page)).to_have_value("half a thought")


def test_a_message_that_could_not_be_sent_comes_back(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "Hello", model="plain")
    chatting.wait_until_done(page)
    page.route("**/send/**", lambda route: route.abort("connectionrefused"))

    chatting.send(page, "Are you there?")

    expect(page.get_by_role("alert")).to_contain_text("not sent")
    expect(composer(page)).to_have_value("Are you there?")
    page.unroute_all()
    page.get_by_role("button", name="Send").click()
    expect(chatting.answers(page)).to_have_count(2)
    expect(page.locator("article[data-role=user]")).to_have_count(2)


@pytest.mark.parametrize("look", [{"viewport": {"width": 390, "height": 800}}], ids=["phone"])
def test_suggestions_fill_the_composer(product, signed_in, look):
    page = signed_in(product, **look)

    page.get_by_role("button", name="Explain").click()

    expect(composer(page)).to_have_value("Explain how a heat pump works, in five sentences.")
    expect(composer(page)).to_be_focused()
    assert PLAIN not in page.content()


def test_a_refused_message_comes_back_with_the_reason(product, signed_in):
    page = signed_in(product, expects=422)
    chatting.send(page, "Hello", model="plain")
    chatting.wait_until_done(page)

    chatting.send(page, "x" * 200_001)

    expect(page.get_by_role("alert").filter(has_text="200,001 characters")).to_be_visible()
    expect(composer(page)).to_have_value("x" * 200_001)


def test_what_was_typed_after_the_servers_draft_survives_a_reload(product, signed_in):
    page = signed_in(product)
    composer(page).fill("first half")
    page.get_by_role("link", name="How answers shall be").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Longest answer, in tokens").fill("9")
    dialog.get_by_role("button", name="Save").click()
    page.wait_for_url("**/c/*/")
    expect(composer(page)).to_have_value("first half")

    composer(page).fill("first half and a second")
    page.reload()

    expect(composer(page)).to_have_value("first half and a second")


def test_a_draft_and_what_another_device_was_refused_are_both_kept(product, signed_in):
    page, other = signed_in(product), signed_in(product)
    chatting.send(page, "x" * 1200, model="plain")
    chatting.wait_until_done(page)
    chat = chatting.conversation_path(page)
    composer(page).fill("half a thought")
    page.goto("/")
    other.goto(chat)
    chatting.send(other, "y" * 1200)
    leave_out = other.get_by_role("button", name="Leave out the oldest messages")
    expect(leave_out).to_be_visible(timeout=chatting.ANSWER_SECONDS)

    page.goto(chat)

    expect(composer(page)).to_have_value("y" * 1200 + "\n\nhalf a thought")
    composer(page).fill("one thought")
    page.reload()
    expect(composer(page)).to_have_value("one thought")


def test_what_is_typed_while_the_first_message_is_on_its_way_stays(product, signed_in):
    page = signed_in(product)
    chatting.choose_model(page, "plain")
    held: list[Route] = []
    page.route("**/c/new/", lambda route: held.append(route))
    chatting.send(page, "Hello")
    composer(page).press_sequentially("And then")
    held[0].continue_()

    chatting.conversation_path(page)
    chatting.wait_until_done(page)

    expect(composer(page)).to_have_value("And then")
    page.reload()
    expect(composer(page)).to_have_value("And then")
    page.goto("/")
    expect(composer(page)).to_have_value("")


def test_a_refused_text_that_was_changed_stays_as_it_was_changed(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "x" * 1200, model="plain")
    chatting.wait_until_done(page)
    chatting.send(page, "y" * 1200)
    expect(composer(page)).to_have_value("y" * 1200, timeout=chatting.ANSWER_SECONDS)

    composer(page).fill("a shorter one")
    page.reload()

    expect(composer(page)).to_have_value("a shorter one")
