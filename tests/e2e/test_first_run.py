from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e import chatting
from tests.e2e.conftest import NAME, PASSWORD, sign_up
from tests.e2e.product import Product
from tests.e2e.scripts import PLAIN


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_from_nothing_to_a_streamed_answer(tmp_path: Path, made_models: Path, browser):
    product = Product(tmp_path)
    product.start()
    page = browser.new_page()
    try:
        assert status_of(product.url + "/healthz") == 200
        assert status_of(product.url + "/") == 503
        assert status_of(product.url + "/models/") == 503

        sign_up(product, page)
        shutil.copy(made_models / "plain.gguf", product.models_dir)
        page.reload()
        chatting.send(page, "Hello")

        answer = chatting.wait_until_done(page)
        assert chatting.text_of(answer).inner_text().strip() == PLAIN
        assert status_of(product.url + "/readyz") == 200
        assert status_of(product.setup_url) in {403, 404, 410}
    finally:
        page.close()
        product.stop()


def test_a_second_start_asks_for_no_set_up_and_keeps_the_chats(own_product, signed_in):
    page = signed_in(own_product)
    chatting.send(page, "Hello", model="plain")
    chatting.wait_until_done(page)
    address = chatting.conversation_path(page).removeprefix(own_product.url)
    own_product.stop()

    own_product.start()

    assert own_product.setup_url == ""
    page = signed_in(own_product, address)
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(own_product.url + address)
    assert chatting.text_of(chatting.last_answer(page)).inner_text().strip() == PLAIN


def test_a_wrong_password_is_refused_with_a_sentence(product, browser):
    page = browser.new_page()
    page.goto(product.url + "/sign-in/")

    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value(NAME)
    page.close()
