from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e import chatting
from tests.e2e.scripts import LONG, MARKDOWN, PLAIN, THOUGHT


def test_the_known_text_arrives_exactly(product, signed_in):
    page = signed_in(product)

    chatting.send(page, "Hello", model="plain")

    answer = chatting.wait_until_done(page)
    assert chatting.text_of(answer).inner_text().strip() == PLAIN


def test_markdown_is_the_same_html_live_and_after_reload(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "Show me everything", model="markdown")
    live = chatting.text_of(chatting.wait_until_done(page)).inner_html()

    page.reload()

    assert chatting.text_of(chatting.wait_until_done(page)).inner_html() == live
    body = chatting.text_of(chatting.last_answer(page))
    expect(body.locator("li li strong")).to_have_text("item")
    expect(body.locator("td").nth(3)).to_have_text("40 GB")
    expect(body.locator("pre code")).to_contain_text("# <b>not bold</b>")
    expect(body.locator("math")).to_have_count(2)
    expect(body.locator("blockquote")).to_contain_text("A quotation over")
    assert "a^2" not in body.inner_text()
    assert MARKDOWN.endswith("🦉.")


def test_html_script_and_javascript_links_are_shown_as_text(product, signed_in):
    page = signed_in(product)
    requested = []
    page.on("request", lambda request: requested.append(request.url))

    chatting.send(page, "Attack", model="hostile")
    answer = chatting.text_of(chatting.wait_until_done(page))

    assert "<script>document.title='owned'</script>" in answer.inner_text()
    assert "javascript:document.title='owned'" in answer.inner_text()
    assert (
        answer.locator("script, img, b, [onerror], [hx-post], a[href^='javascript']").count() == 0
    )
    assert "owned" not in page.title()
    assert [url for url in requested if not url.startswith(product.url)] == []


def test_stop_keeps_the_text_and_frees_the_engine(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "Talk", model="long")
    chatting.wait_until_streaming(page)

    page.get_by_role("button", name="Stop").click()

    answer = chatting.last_answer(page)
    chatting.wait_for_state(answer, "stopped")
    kept = chatting.text_of(answer).inner_text()
    assert kept.startswith("Paragraph 1:") and "Paragraph 40:" not in kept
    page.wait_for_timeout(500)
    assert chatting.text_of(answer).inner_text() == kept
    chatting.send(page, "Again")
    chatting.wait_until_streaming(page)
    page.get_by_role("button", name="Stop").click()


def test_two_browsers_see_the_same_stream(product, signed_in):
    first = signed_in(product)
    chatting.send(first, "Talk", model="long")
    address = chatting.conversation_path(first)
    chatting.wait_until_streaming(first)

    second = signed_in(product, address)
    chatting.wait_until_streaming(second)

    texts = {
        chatting.text_of(chatting.wait_until_done(page)).inner_html() for page in (first, second)
    }
    assert len(texts) == 1
    assert chatting.text_of(chatting.last_answer(second)).inner_text().split() == LONG.split()


def test_a_turn_started_in_one_tab_shows_in_the_other(product, signed_in):
    first = signed_in(product)
    chatting.send(first, "Hello", model="plain")
    chatting.wait_until_done(first)
    second = signed_in(product, chatting.conversation_path(first))
    expect(chatting.answers(second)).to_have_count(1)

    chatting.send(first, "And again")

    expect(chatting.answers(second)).to_have_count(2)
    chatting.wait_until_done(second)


def test_two_conversations_stream_at_the_same_time(product, signed_in):
    first, second = signed_in(product), signed_in(product)
    chatting.send(first, "Talk", model="long")
    chatting.wait_until_streaming(first)

    chatting.send(second, "Talk too", model="long")
    chatting.wait_until_streaming(second)

    expect(chatting.last_answer(first)).to_have_attribute("data-state", "streaming")
    chatting.wait_until_done(first)
    chatting.wait_until_done(second)


def test_the_answer_goes_on_when_the_tab_is_closed(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "Talk", model="long")
    address = chatting.conversation_path(page)
    chatting.wait_until_streaming(page)
    page.close()

    later = signed_in(product, address)

    answer = chatting.wait_until_done(later)
    assert chatting.text_of(answer).inner_text().split() == LONG.split()


def test_the_statistics_of_an_answer_are_shown(product, signed_in):
    page = signed_in(product)

    chatting.send(page, "Hello", model="plain")

    statistics = chatting.wait_until_done(page).locator("[id$='-stats']")
    for part in ("tokens", "tokens/s", "first token"):
        expect(statistics).to_contain_text(part)


def test_a_prompt_longer_than_the_context_comes_back_with_both_numbers(product, signed_in):
    page = signed_in(product)
    prompt = "word " * 3000

    chatting.send(page, prompt, model="plain")

    notice = page.get_by_role("alert")
    expect(notice).to_contain_text("2,048", timeout=chatting.ANSWER_SECONDS)
    expect(page.get_by_label("Message", exact=True)).to_have_value(prompt.strip())
    page.reload()
    expect(page.get_by_label("Message", exact=True)).to_have_value(prompt.strip())


def test_what_a_model_thinks_is_folded_away_and_can_be_read(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "Hello", model="thinking")
    answer = chatting.wait_until_done(page)

    expect(chatting.text_of(answer)).to_have_text("Good evening.")
    thought = answer.get_by_text("The user greets me.")
    expect(thought).to_be_hidden()
    answer.get_by_text("Thought for").click()
    expect(thought).to_be_visible()
    page.reload()

    answer = chatting.wait_until_done(page)
    answer.locator("summary").press("Enter")
    assert answer.locator(".reasoning-text").inner_text().strip() == THOUGHT
    expect(chatting.text_of(answer).locator("em")).to_have_text("evening")


def test_an_answer_without_thoughts_shows_no_place_for_them(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "Hello", model="plain")

    expect(chatting.wait_until_done(page).locator(".reasoning")).to_be_hidden()


def test_a_chat_that_is_full_goes_on_without_its_oldest_messages(product, signed_in):
    page = signed_in(product)
    chatting.send(page, "x" * 1200, model="plain")
    chatting.wait_until_done(page)
    chatting.send(page, "y" * 1200)
    leave_out = page.get_by_role("button", name="Leave out the oldest messages")
    expect(leave_out).to_be_visible(timeout=chatting.ANSWER_SECONDS)

    leave_out.click()
    expect(leave_out).to_be_hidden()
    expect(page.get_by_label("Message", exact=True)).to_have_value("y" * 1200)
    page.get_by_role("button", name="Send").click()

    expect(chatting.answers(page)).to_have_count(2)
    expect(chatting.wait_until_done(page)).to_contain_text("2 earlier messages were left out")
