from __future__ import annotations

import struct

from playwright.sync_api import expect

from tests.e2e.chatting import answers, send, wait_until_done


def test_broken_files_are_listed_with_the_reason_and_disturb_nothing(own_product, signed_in):
    whole = (own_product.models_dir / "plain.gguf").read_bytes()
    (own_product.models_dir / "text.gguf").write_text("This is only text.\n" * 50)
    (own_product.models_dir / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    (own_product.models_dir / "wild.gguf").write_bytes(
        b"GGUF" + struct.pack("<IQQ", 3, 2**62, 4) + bytes(64)
    )

    page = signed_in(own_product, "/models/")

    for name in ("text", "cut", "wild"):
        row = page.locator("[data-entry]", has_text=f"{name}.gguf")
        expect(row.locator("[data-state=broken]")).to_be_visible()
        expect(row.get_by_role("button", name="Load")).to_have_count(0)


def test_a_long_word_in_a_reason_cuts_no_button_off(own_product, signed_in):
    key = "k" * 100
    pair = struct.pack("<Q", len(key)) + key.encode() + struct.pack("<II", 4, 1)
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, 2)
    (own_product.models_dir / "twice.gguf").write_bytes(header + pair + pair)

    page = signed_in(own_product, "/models/", viewport={"width": 1280, "height": 900})

    expect(page.locator("[data-entry]", has_text="twice.gguf")).to_contain_text(key)
    table = page.locator(".models-table")
    assert table.evaluate("table => table.offsetWidth <= table.parentElement.clientWidth")


def test_a_model_is_loaded_and_unloaded_by_hand(own_product, signed_in):
    page = signed_in(own_product, "/models/")
    row = page.locator("[data-entry]", has_text="plain.gguf")

    row.get_by_role("button", name="Load").click()
    expect(row.locator("[data-state=ready]")).to_be_visible(timeout=30_000)
    assert "runner" in own_product.processes()

    row.get_by_role("button", name="Unload").click()
    expect(row.locator("[data-state=unloaded]")).to_be_visible(timeout=30_000)
    assert "runner" not in own_product.processes()


def test_a_model_is_tuned_and_loaded_in_a_dialog(own_product, signed_in):
    page = signed_in(own_product, "/models/")
    row = page.locator("[data-entry]", has_text="plain.gguf")

    row.get_by_role("link", name="Settings of").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Nothing else has to leave the memory.")).to_be_visible()
    before = dialog.locator("#estimate").inner_text()
    dialog.locator("#context-slider").fill("512")
    expect(dialog.get_by_label("Context window, in tokens")).to_have_value("512")
    expect(dialog.locator("#estimate")).to_contain_text("KV cache of 512 tokens")
    assert dialog.locator("#estimate").inner_text() != before

    dialog.get_by_text("Answers: system prompt").click()
    dialog.get_by_label("Temperature").fill("0.5")
    dialog.get_by_role("button", name="Save and load").click()

    expect(dialog).to_be_hidden()
    expect(row.get_by_text("window of 512 tokens")).to_be_visible(timeout=30_000)


def test_a_chat_says_how_its_answers_shall_be(own_product, signed_in):
    page = signed_in(own_product, "/")
    send(page, "Hello")
    wait_until_done(page)

    page.get_by_role("link", name="How answers shall be").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Answers in this chat")).to_be_visible()
    dialog.get_by_label("Longest answer, in tokens").fill("1")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    send(page, "Again")

    expect(answers(page)).to_have_count(2)
    expect(wait_until_done(page)).to_contain_text("Cut off after 1 token, as is set for this chat.")


def test_a_new_chat_says_before_its_first_message_how_its_answers_shall_be(own_product, signed_in):
    page = signed_in(own_product, "/")
    page.locator("#prompt").fill("Hello")

    page.get_by_role("link", name="How answers shall be").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Longest answer, in tokens").fill("1")
    dialog.get_by_role("button", name="Save").click()

    page.wait_for_url("**/c/*/")
    expect(page.locator("#prompt")).to_have_value("Hello")
    page.get_by_role("button", name="Send").click()
    expect(wait_until_done(page)).to_contain_text("Cut off after 1 token, as is set for this chat.")
    page.goto(own_product.url)
    expect(page.locator("#prompt")).to_have_value("")
