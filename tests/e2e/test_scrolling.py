from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e import chatting

POSITION = """() => {
  const scroller = document.querySelector('[data-scroller]');
  return [scroller.scrollTop, scroller.scrollHeight - scroller.clientHeight];
}"""

IS_AT_THE_BOTTOM = f"""() => {{
  const [position, bottom] = ({POSITION})();
  return bottom - position <= 10;
}}"""


def open_long_stream(product, signed_in) -> Page:
    page: Page = signed_in(product, viewport={"width": 1000, "height": 500})
    chatting.send(page, "Talk", model="long")
    expect(chatting.last_answer(page)).to_contain_text("Paragraph 8:", timeout=60_000)
    return page


def test_the_page_follows_at_the_bottom(product, signed_in):
    page = open_long_stream(product, signed_in)

    expect(chatting.last_answer(page)).to_contain_text("Paragraph 14:", timeout=60_000)

    position, bottom = page.evaluate(POSITION)
    assert bottom > 0 and bottom - position <= 10


def test_scrolling_up_10_px_stays_put_while_text_arrives(product, signed_in):
    page = open_long_stream(product, signed_in)

    page.mouse.move(500, 200)
    page.mouse.wheel(0, -10)
    page.wait_for_timeout(200)
    before, _ = page.evaluate(POSITION)
    expect(chatting.last_answer(page)).to_contain_text("Paragraph 20:", timeout=60_000)

    after, bottom = page.evaluate(POSITION)
    assert after == before and bottom - after > 100


def test_latest_follows_again(product, signed_in):
    page = open_long_stream(product, signed_in)
    page.mouse.move(500, 200)
    page.mouse.wheel(0, -200)

    page.get_by_role("button", name="Latest").click()
    expect(chatting.last_answer(page)).to_contain_text("Paragraph 20:", timeout=60_000)

    # Text comes on meanwhile: it is followed in the next frame.
    page.wait_for_function(IS_AT_THE_BOTTOM)
