"""kill -9 of each process in mid-answer: what the page and the database show afterwards."""

from __future__ import annotations

import psutil
from playwright.sync_api import expect

from tests.e2e import chatting
from tests.e2e.product import wait_for
from tests.e2e.scripts import LONG


def test_web_is_restarted_and_the_page_continues_by_itself(own_product, signed_in):
    page = signed_in(own_product)
    chatting.send(page, "Talk", model="long")
    chatting.wait_until_streaming(page)

    killed = own_product.kill("web")

    answer = chatting.wait_until_done(page)
    assert chatting.text_of(answer).inner_text().split() == LONG.split()
    page.reload()
    stored = chatting.text_of(chatting.wait_until_done(page)).inner_text()
    assert stored.split() == LONG.split()
    assert own_product.processes()["web"].pid != killed


def test_a_killed_runner_leaves_the_text_and_the_next_prompt_works(own_product, signed_in):
    page = signed_in(own_product)
    chatting.send(page, "Talk", model="long")
    chatting.wait_until_streaming(page)

    own_product.kill("runner")

    answer = chatting.last_answer(page)
    chatting.wait_for_state(answer, "interrupted")
    expect(answer).to_contain_text("Paragraph 1:")
    page.get_by_role("button", name="Retry").click()
    done = chatting.wait_until_done(page)
    assert chatting.text_of(done).inner_text().split() == LONG.split()


def test_a_killed_inference_service_comes_back(own_product, signed_in):
    page = signed_in(own_product)
    chatting.send(page, "Talk", model="long")
    chatting.wait_until_streaming(page)

    own_product.kill("inference")

    chatting.wait_for_state(chatting.last_answer(page), "interrupted")
    chatting.send(page, "Again", model="plain")
    chatting.wait_until_done(page)


def test_nothing_outlives_serve(own_product, signed_in):
    page = signed_in(own_product)
    chatting.send(page, "Talk", model="long")
    chatting.wait_until_streaming(page)
    family = list(own_product.processes().values())
    assert len(family) == 4

    own_product.process.kill()

    _, alive = psutil.wait_procs(family, timeout=2)
    assert alive == []


def test_ctrl_c_ends_everything(own_product, signed_in):
    page = signed_in(own_product)
    chatting.send(page, "Talk", model="long")
    chatting.wait_until_streaming(page)
    family = list(own_product.processes().values())

    own_product.stop()

    assert wait_for(lambda: not psutil.wait_procs(family, timeout=0)[1], what="the end of all")
