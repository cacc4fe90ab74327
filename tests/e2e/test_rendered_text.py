"""Rendered text in a real browser, apart from the product: it acts on nothing and stays as it is."""

from __future__ import annotations

from playwright.sync_api import Browser

from rendering import render_markdown
from tests.rendering.test_hostile_text import PAYLOADS

PUT_AND_READ = """(pages) => {
    const box = document.querySelector("main");
    return pages.map((html) => {
        box.innerHTML = html;
        const acting = box.querySelectorAll("img, script, iframe, form, input, style, [id], [style]");
        return [box.innerHTML, acting.length];
    });
}"""


def test_hostile_text_does_nothing_in_a_browser_and_keeps_its_html(browser: Browser):
    pages = [str(render_markdown(payload)) for payload in PAYLOADS]
    page = browser.new_page()
    page.set_content("<!doctype html><main></main>")
    events: list[str] = []
    page.on("request", lambda request: events.append(request.url))
    page.on("dialog", lambda dialog: events.append(dialog.message))

    seen = page.evaluate(PUT_AND_READ, pages)
    page.wait_for_load_state("networkidle")

    assert seen == [[html, 0] for html in pages]
    assert not events
    page.close()
