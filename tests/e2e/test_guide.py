"""The first minutes of somebody who has no model yet: the built-in guide answers, really."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from guide import topics
from playwright.sync_api import Browser, Page, expect

from chat.suggestions import GUIDE_SUGGESTIONS
from tests.e2e import chatting
from tests.e2e.conftest import running
from tests.e2e.product import Product
from tests.e2e.test_looks import check_look, each_look

BY_NAME = topics.load().by_name


@pytest.fixture(scope="module")
def bare_product(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Product]:
    """Nobody has added a model."""
    yield from running(Product(tmp_path_factory.mktemp("bare")), browser)


def source_of(page: Page, answer) -> str:
    """The Markdown that the model wrote, as its copy button gets it."""
    path = answer.locator("[data-copy-source]").get_attribute("data-copy-source")
    return page.request.get(path).text()


@pytest.mark.parametrize("suggestion", GUIDE_SUGGESTIONS, ids=lambda card: card.topic)
def test_a_card_clicked_and_sent_gets_its_answer(bare_product, signed_in, suggestion):
    page = signed_in(bare_product)

    page.locator(".suggestion", has_text=suggestion.text).click()
    page.get_by_role("button", name="Send").click()

    answer = chatting.wait_until_done(page)
    assert source_of(page, answer) == BY_NAME[suggestion.topic].answer
    expect(answer).to_contain_text("tokens/s")
    expect(page.get_by_text("not an assistant")).to_be_visible()


def test_it_answers_follow_ups_and_declines_what_it_does_not_know(bare_product, signed_in):
    page = signed_in(bare_product)

    chatting.send(page, "WHAT IS GGUF?")
    first = source_of(page, chatting.wait_until_done(page))
    chatting.send(page, "tell me more")
    expect(chatting.answers(page)).to_have_count(2)
    second = source_of(page, chatting.wait_until_done(page))
    chatting.send(page, "What is the capital of France?")
    expect(chatting.answers(page)).to_have_count(3)
    third = source_of(page, chatting.wait_until_done(page))

    gguf = BY_NAME["what-is-gguf"]
    assert [first, second, third] == [gguf.answer, gguf.more, BY_NAME["off-topic"].answer]
    link = chatting.text_of(chatting.last_answer(page)).get_by_role("link", name="Models")
    expect(link).to_have_attribute("href", "/models/")


def test_it_makes_way_for_a_real_model_and_comes_back(bare_product, made_models, signed_in):
    page = signed_in(bare_product)
    expect(page.get_by_role("heading", name="about Minerva")).to_be_visible()
    file = bare_product.models_dir / "plain.gguf"
    file.write_bytes((made_models / "plain.gguf").read_bytes())

    page.reload()
    expect(page.get_by_role("heading", name="on your mind")).to_be_visible()
    expect(page.locator("#guide-note")).to_be_empty()

    chatting.choose_model(page, "Minerva guide")
    expect(page.get_by_role("heading", name="about Minerva")).to_be_visible()
    expect(page.get_by_text("not an assistant")).to_be_visible()
    expect(page.locator(".suggestion", has_text=GUIDE_SUGGESTIONS[0].text)).to_be_visible()

    file.unlink()
    page.reload()
    expect(page.get_by_role("heading", name="about Minerva")).to_be_visible()


@each_look
def test_a_first_chat_looks_finished(bare_product, signed_in, look, request):
    page = signed_in(bare_product, **look)

    check_look(page, "guide", request)
    chip = page.locator(".chat-greeting .chip")
    assert chip.evaluate("chip => chip.scrollWidth <= chip.clientWidth")


@each_look
def test_its_answer_looks_finished(bare_product, signed_in, look, request):
    page = signed_in(bare_product, **look)
    chatting.send(page, "How do I add a model?")
    chatting.wait_until_done(page)

    check_look(page, "guide-answer", request)


@each_look
def test_the_list_with_the_guide_alone_looks_finished(bare_product, signed_in, look, request):
    check_look(signed_in(bare_product, "/models/", **look), "guide-models", request)
