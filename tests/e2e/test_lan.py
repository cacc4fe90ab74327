"""From another machine of the network: the name resolves, the invitation opens, the chat streams."""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserType, Page, expect

from tests.e2e import chatting
from tests.e2e.conftest import CHROMIUM_FLAGS, PASSWORD, chromium, sign_up
from tests.e2e.product import Product, wait_for
from tests.e2e.scripts import PLAIN
from tests.e2e.second_machine import HERE, SecondMachine, why_not


@pytest.fixture(scope="module")
def second_machine() -> Iterator[SecondMachine]:
    if reason := why_not():
        pytest.skip(reason)
    machine = SecondMachine()
    machine.start()
    yield machine
    machine.stop()


def invite(page: Page, product: Product) -> str:
    page.goto(product.url + "/people/")
    page.get_by_role("button", name="Make a link").click()
    return page.locator("#handed-link").inner_text()


def join(page: Page, link: str, name: str) -> None:
    page.goto(link)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    page.wait_for_url(lambda url: "/join/" not in url)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_phone_on_the_network_joins_and_chats(
    scheme: str,
    second_machine: SecondMachine,
    tmp_path: Path,
    made_models: Path,
    browser: Browser,
    browser_type: BrowserType,
):
    secure = {"MINERVA_HTTPS": "1"} if scheme == "https" else {}
    product = Product(tmp_path / "data", MINERVA_LAN="1", **secure)
    shutil.copy(made_models / "plain.gguf", product.models_dir)
    product.start()
    try:
        page = browser.new_context(ignore_https_errors=True).new_page()
        sign_up(product, page)
        link = invite(page, product)
        addresses = second_machine.addresses_of_minerva()
        assert HERE in addresses
        port = product.url.rsplit(":", 1)[1]
        named = re.sub(r"//[^/]+/", f"//minerva.local:{port}/", link)

        phone = browser_type.launch(
            executable_path=second_machine.program(chromium() or "", tmp_path),
            args=[*CHROMIUM_FLAGS, f"--host-resolver-rules=MAP minerva.local {HERE}"],
        )
        there = phone.new_context(ignore_https_errors=True).new_page()
        there.goto(named)
        assert there.url.startswith(f"{scheme}://minerva.local:")
        join(there, named, "grace")
        chatting.send(there, "Hello", model="plain")

        answer = chatting.wait_until_done(there)
        assert chatting.text_of(answer).inner_text().strip() == PLAIN
        phone.close()
    finally:
        product.stop()


def reaches(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def test_the_switch_on_the_page_opens_and_closes_the_network(
    second_machine: SecondMachine, own_product: Product, signed_in
):
    page = signed_in(own_product, "/sharing/")
    outside = own_product.url.replace("127.0.0.1", HERE) + "/sign-in/"
    assert not reaches(outside)

    page.get_by_role("button", name="Share on your network").click()
    wait_for(lambda: reaches(outside), what="the network to be let in")
    wait_for(lambda: reaches(own_product.url + "/healthz"), what="this machine to be let in")
    page.goto(own_product.url + "/sharing/")
    expect(page.get_by_role("heading", name="Your network reaches")).to_be_visible()

    page.get_by_role("button", name="Stop sharing").click()
    wait_for(lambda: not reaches(outside), what="the network to be shut out")
    wait_for(lambda: reaches(own_product.url + "/healthz"), what="this machine to stay")
