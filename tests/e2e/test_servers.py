"""A model of another server in the browser: its server is added, it answers, breaks off, and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import chatting
from tests.e2e.conftest import running
from tests.e2e.product import Product
from tests.e2e.test_looks import check_look, each_look
from tests.models_app.openai_server import OpenAIServer

MODEL = "org/llama-8b"
KEY = "sk-quetzalcoatlus"


@pytest.fixture
def attic() -> Iterator[OpenAIServer]:
    server = OpenAIServer(MODEL, "org/llama-70b", "nomic-embed-text", key=KEY).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def bare_product(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Product]:
    """Without a model of its own."""
    yield from running(Product(tmp_path_factory.mktemp("servers")), browser)


def add(page: Page, address: str, name: str, *, key: str = KEY) -> None:
    page.get_by_label("Address", exact=True).fill(address)
    page.get_by_label("Key, if it wants one").fill(key)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Ask and add").click()


def use(page: Page, name: str, model: str) -> None:
    card = page.get_by_role("region", name=name)
    card.get_by_label(model).check()
    card.get_by_role("button", name="Use the ticked ones").click()
    expect(page.get_by_text(f"Used from {name}: {model}.")).to_be_visible()


def remove(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"Remove {name}").click()
    page.get_by_role("dialog").get_by_role("button", name="Continue").click()
    expect(page.get_by_text(f"{name} and its models are gone from here.")).to_be_visible()


def test_a_model_of_another_server_answers_breaks_off_and_comes_back(
    bare_product, signed_in, attic
):
    page = signed_in(bare_product, "/models/servers/")
    add(page, attic.origin, "Attic")
    use(page, "Attic", MODEL)
    page.goto(bare_product.url)
    chatting.send(page, "Who is there?", model=MODEL)
    answer = chatting.wait_until_done(page)
    expect(chatting.text_of(answer)).to_have_text("Hello from the attic.")
    expect(page.get_by_text("Runs on Attic: what you write is sent there.")).to_be_visible()
    assert attic.requests[-1][1]["model"] == MODEL

    attic.holds_at = 2
    chatting.send(page, "And now?")
    answer = chatting.last_answer(page)
    expect(answer).to_contain_text("Hello from", timeout=chatting.ANSWER_SECONDS)
    other = signed_in(bare_product, "/models/servers/")
    other.get_by_role("button", name="Remove Attic").click()
    other.get_by_role("dialog").get_by_role("button", name="Continue").click()
    expect(other.get_by_text(f"{MODEL} is writing an answer.")).to_be_visible()
    attic.stop()
    chatting.wait_for_state(answer, "failed")
    expect(answer).to_contain_text("Hello from")
    expect(answer).to_contain_text("broke off")

    attic.holds_at = None
    attic.start()
    page.get_by_role("button", name="Retry").last.click()
    answer = chatting.wait_until_done(page)
    expect(chatting.text_of(answer)).to_have_text("Hello from the attic.")

    page.goto(f"{bare_product.url}/models/")
    row = page.locator("[data-entry]", has_text=MODEL)
    row.get_by_role("button", name="Disconnect").click()
    expect(row.locator("[data-state=unloaded]")).to_be_visible(timeout=30_000)
    page.goto(f"{bare_product.url}/models/servers/")
    remove(page, "Attic")


def test_a_server_that_goes_away_is_seen_when_the_page_is_opened(bare_product, signed_in, attic):
    page = signed_in(bare_product, "/models/servers/")
    add(page, attic.origin, "Attic")
    attic.stop()

    page.goto(f"{bare_product.url}/models/servers/")
    card = page.get_by_role("region", name="Attic")
    card.get_by_label(MODEL).check()
    expect(card.get_by_text("nothing answers at this port")).to_be_visible()
    expect(card.get_by_label(MODEL)).to_be_checked()
    attic.start()
    card.get_by_role("link", name="Look again").click()

    expect(card.get_by_text("Answered now")).to_be_visible()
    remove(page, "Attic")


@each_look
def test_the_page_looks_finished(bare_product, signed_in, attic, look, request):
    page = signed_in(bare_product, "/models/servers/", expects=422, **look)
    expect(page.get_by_role("heading", name="Add a server")).to_be_visible()
    check_look(page, "servers-empty", request)

    add(page, attic.origin, "Attic", key="")
    expect(page.get_by_text("It wants a key.")).to_be_visible()
    check_look(page, "servers-refused", request)
    add(page, attic.origin, "Attic")
    use(page, "Attic", MODEL)
    expect(page.get_by_text("Answered now")).to_be_visible()
    check_look(page, "servers-full", request)
    card = page.get_by_role("region", name="Attic")
    card.get_by_text("Change", exact=True).click()
    card.get_by_label("Address of Attic").fill(attic.origin.replace("http", "https"))
    card.get_by_role("button", name="Ask and change Attic").click()
    expect(card.get_by_text("It does not speak HTTPS there.")).to_be_visible()
    expect(card.get_by_label("Address of Attic")).to_have_value(
        attic.origin.replace("http", "https")
    )
    check_look(page, "servers-not-changed", request)
    for name, path in (("list", "/models/"), ("chat", "/")):
        page.goto(f"{bare_product.url}{path}")
        if name == "chat":
            chatting.choose_model(page, MODEL)
            expect(page.get_by_text("Runs on Attic: what")).to_be_visible()
        check_look(page, f"servers-{name}", request)
    page.goto(f"{bare_product.url}/models/")
    page.get_by_role("link", name=MODEL, exact=True).click()
    check_look(page, "servers-status", request)
    page.get_by_role("link", name="Settings", exact=True).click()
    check_look(page, "servers-settings", request)

    attic.stop()
    page.goto(f"{bare_product.url}/models/servers/")
    expect(page.get_by_text("nothing answers at this port")).to_be_visible()
    check_look(page, "servers-failed", request)
    remove(page, "Attic")
