"""A model that cannot be loaded, and the one that answers in its place, on the pages."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.chatting import last_answer, send, wait_until_done
from tests.inference.gguf_files import LLAMA, File, string_pair


def test_another_model_answers_and_the_pages_say_why(own_product, signed_in):
    """“Hollow” has a header like a model's, and nothing that an engine could compute with."""
    pairs = (LLAMA[0], string_pair("general.name", "Hollow"), *LLAMA[2:])
    File(pairs=pairs).write(own_product.models_dir / "hollow.gguf")
    page = signed_in(own_product, "/models/")
    row = page.locator("[data-entry]", has_text="hollow.gguf")
    row.get_by_role("link", name="Settings of").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("If it can't answer").select_option("plain")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(dialog).to_be_hidden()

    page.goto(own_product.url + "/")
    send(page, "Hello", model="Hollow")
    answer = wait_until_done(page)

    expect(answer.get_by_role("heading")).to_contain_text("plain")
    expect(answer).to_contain_text("Answered by plain: Hollow could not be loaded")
    page.reload()
    expect(last_answer(page)).to_contain_text("Answered by plain: Hollow could not be loaded")

    page.goto(own_product.url + "/models/")
    row.get_by_role("link", name="Hollow", exact=True).click()
    current = page.locator(".breaker-states [aria-current]")
    expect(current).to_contain_text("Open")
    expect(page.get_by_text("no request starts it for another")).to_be_visible()
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_text("It is left alone after one failure")).to_be_visible()
