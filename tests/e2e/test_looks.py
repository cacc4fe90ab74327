"""Every page, wide and narrow, light and dark: no serious axe finding, no sideways scrolling.

The screenshots stay in `screens/` to be looked at.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e import chatting
from tests.e2e.product import ROOT, Product

SCREENS = ROOT / "screens"
WIDTHS = {"wide": {"width": 1440, "height": 900}, "narrow": {"width": 390, "height": 844}}
SCHEMES = ("light", "dark")
LOOKS = [
    pytest.param({"viewport": size, "color_scheme": scheme}, id=f"{width}-{scheme}")
    for width, size in WIDTHS.items()
    for scheme in SCHEMES
]
each_look = pytest.mark.parametrize("look", LOOKS)
# Of two looks, both widths and both schemes are seen.
two_looks = pytest.mark.parametrize("look", [LOOKS[0], LOOKS[3]])


PAGES = {
    "people": "/people/",
    "person": "/people/1/",
    "usage": "/usage/",
    "usage-of-all": "/usage/all/",
    "keys": "/account/keys/",
    "api": "/account/api/",
    "account": "/profile/",
    "sharing": "/sharing/",
    "shared": "/shared/",
    "answers": "/chats/settings/",
    "not-there": "/nowhere/",
}
MORE_PAGES = (
    "/",
    "/models/",
    "/models/discover/",
    "/models/downloads/",
    "/models/servers/",
    "/models/engines/",
)
# What can be pressed and lies beyond an edge behind which nothing can be scrolled to.
CUT_OFF = """() => [...document.querySelectorAll("a, button, input, select, textarea")].filter(one => {
    const {width, right} = one.getBoundingClientRect();
    for (let around = one.parentElement; around && width; around = around.parentElement) {
        const {overflowX} = getComputedStyle(around), frame = around.getBoundingClientRect();
        if (overflowX === "auto" || overflowX === "scroll") return false;
        if (overflowX !== "visible" && frame.width > 2 && right > frame.right + 1) return true;
    }
    return false;
}).map(one => one.outerHTML)"""


def check_look(page: Page, name: str, request: pytest.FixtureRequest) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name}-{request.node.callspec.id}.png")
    assert sideways(page) <= 0
    found = Axe().run(page).response["violations"]
    serious = [
        f"{violation['id']}: {node['html']}"
        for violation in found
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]
    assert serious == []


def sideways(page: Page) -> int:
    """How many pixels it can be scrolled so."""
    return int(
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


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


@two_looks
@pytest.mark.parametrize("name", PAGES)
def test_pages_of_people_and_keys_look_finished(product, signed_in, look, name, request):
    page = signed_in(product, PAGES[name], expects=404, **look)
    page.wait_for_load_state("networkidle")

    check_look(page, name, request)


def test_nothing_is_cut_off_between_wide_and_narrow(product, signed_in):
    page = signed_in(product, expects=404)
    for path in (*PAGES.values(), *MORE_PAGES):
        page.goto(product.url + path)
        for width in (1280, 1024, 800, 640, 320):
            page.set_viewport_size({"width": width, "height": 800})
            found = sideways(page), page.evaluate(CUT_OFF)
            assert found == (0, []), f"{path} at {width} pixels"


@two_looks
def test_what_is_handed_on_looks_finished(product, signed_in, browser, look, request):
    page = signed_in(product, "/people/", **look)
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#handed-link").inner_text()
    check_look(page, "invitation", request)
    page.goto(product.url + "/account/keys/")
    page.get_by_label("Name", exact=True).fill("editor")
    page.get_by_role("button", name="Make key").click()
    page.locator("#new-secret").wait_for()
    check_look(page, "new-key", request)

    guest = browser.new_page(**look)
    guest.goto(link)
    check_look(guest, "join", request)
    guest.goto(product.url + "/join/nothing/")
    check_look(guest, "refused-link", request)
    guest.close()


def test_what_was_not_accepted_is_in_view(product, signed_in):
    """The form stands below what is long already: without the focus the page would open at its top."""
    page = signed_in(product, "/usage/all/", expects=422, viewport=WIDTHS["narrow"])
    page.get_by_role("button", name="Add quota").click()

    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_role("alert")).to_be_focused()
