"""Every page, wide and narrow, light and dark: no serious axe finding, no sideways scrolling.

The screenshots stay in `screens/` to be looked at.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.e2e import chatting
from tests.e2e.product import ROOT, Product

SCREENS = ROOT / "screens"
WIDTHS = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}
SCHEMES = ("light", "dark")
each_look = pytest.mark.parametrize(
    "look",
    [
        pytest.param({"viewport": size, "color_scheme": scheme}, id=f"{width}-{scheme}")
        for width, size in WIDTHS.items()
        for scheme in SCHEMES
    ],
)


def check_look(page: Page, name: str, request: pytest.FixtureRequest) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name}-{request.node.callspec.id}.png")
    sideways = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert sideways <= 0
    found = Axe().run(page).response["violations"]
    serious = [
        f"{violation['id']}: {violation['nodes'][0]['html']}"
        for violation in found
        if violation["impact"] in {"serious", "critical"}
    ]
    assert serious == []


@each_look
def test_an_empty_chat_looks_finished(product, signed_in, look, request):
    check_look(signed_in(product, **look), "empty", request)


@each_look
def test_a_streaming_chat_looks_finished(product, signed_in, look, request):
    page = signed_in(product, **look)
    chatting.send(page, "Tell me about the fox and the river.", model="long")
    chatting.wait_until_streaming(page)

    check_look(page, "streaming", request)
    page.get_by_role("button", name="Stop").click()


@each_look
def test_a_finished_answer_looks_finished(product, signed_in, look, request):
    page = signed_in(product, **look)
    chatting.send(page, "Show me everything", model="markdown")
    chatting.wait_until_done(page)

    check_look(page, "answer", request)


@each_look
def test_the_model_list_looks_finished(product, signed_in, look, request):
    check_look(signed_in(product, "/models/", **look), "models", request)


@each_look
def test_signing_in_looks_finished(product, browser, look, request):
    page = browser.new_page(**look)
    page.goto(product.url + "/sign-in/")

    check_look(page, "sign-in", request)
    page.close()


@pytest.fixture(scope="module")
def new_product(tmp_path_factory: pytest.TempPathFactory):
    product = Product(tmp_path_factory.mktemp("new"))
    product.start()
    yield product
    product.stop()


@each_look
def test_set_up_looks_finished(new_product, browser, look, request):
    page = browser.new_page(**look)
    page.goto(new_product.setup_url)

    check_look(page, "set-up", request)
    page.close()
