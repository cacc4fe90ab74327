"""A model is measured through a reload and a killed worker; pages follow what happens by themselves."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.product import Product
from tests.made_models import write_random_model

SOON = 5_000


def add_owl(product: Product) -> None:
    """Slow enough to be watched: some ten milliseconds a token."""
    path = product.models_dir / "owl.gguf"
    write_random_model(path, name="Owl", printable=True, layers=24, width=448)


def open_owl(page: Page, product: Product, tab: str) -> None:
    page.goto(f"{product.url}/models/")
    page.get_by_role("link", name="Owl", exact=True).click()
    page.get_by_role("navigation", name="Owl").get_by_role("link", name=tab).click()


def test_a_model_is_measured_through_a_reload_and_a_killed_worker(own_product, signed_in):
    add_owl(own_product)
    page = signed_in(own_product)
    open_owl(page, own_product, "Benchmark")
    running = page.locator("[data-benchmark=running]")

    page.get_by_role("button", name="Measure").click()
    expect(running).to_be_visible(timeout=20_000)
    page.reload()
    expect(running).to_be_visible()
    own_product.kill("worker")
    expect(page.get_by_text("was ended in the middle of it")).to_be_visible(timeout=30_000)

    page.get_by_role("button", name="Measure again").click()
    expect(running).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The last one was cancelled.")).to_be_visible()

    page.get_by_role("button", name="Measure again").click()
    expect(page.get_by_role("heading", name="Over time")).to_be_visible(timeout=90_000)
    writing = page.locator(".figures div", has_text="Writing").locator("strong")
    assert float(writing.inner_text()) > 0
    expect(page.get_by_role("img", name="Writing an answer, tokens/s")).to_be_visible()
    expect(page.locator(".benchmark-table tbody tr")).to_have_count(1)


def test_what_the_pages_say_follows_a_killed_runner(own_product, signed_in):
    add_owl(own_product)
    status = signed_in(own_product)
    models = signed_in(own_product, "/models/")
    row = models.locator("[data-entry]", has_text="owl.gguf")
    open_owl(status, own_product, "Status")
    state = status.locator("#model-present .badge").first

    status.get_by_role("button", name="Load").click()
    expect(state).to_have_text("Ready", timeout=30_000)
    expect(row.locator("[data-state=ready]")).to_be_visible(timeout=SOON)
    expect(status.locator(".present-head .chip")).to_have_text(re.compile("CPU: "))

    own_product.kill("runner")
    expect(state).to_have_text("Failed", timeout=SOON)
    expect(row.locator("[data-state=failed]")).to_be_visible(timeout=SOON)
    expect(status.get_by_text("Out of memory")).to_be_visible()

    log = status.locator(".model-log")
    log.locator("summary").click()
    was_open = log.get_attribute("open") is not None
    status.wait_for_timeout(4_500)
    assert (log.get_attribute("open") is not None) == was_open
    status.get_by_role("button", name="Retry").click()
    expect(state).to_have_text("Ready", timeout=30_000)


def test_the_admin_works_under_the_policy(product, signed_in):
    """`signed_in` fails for whatever the browser refused to run or to show."""
    page = signed_in(product, "/")
    page.get_by_role("button", name="Ada").click()
    page.get_by_role("link", name="Database").click()
    expect(page.get_by_role("heading", name="What is in the database")).to_be_visible()

    page.locator("#content-main .model-catalogentry a").first.click()
    page.locator("#result_list th.field-name a").first.click()
    expect(page.get_by_role("heading", name="View model")).to_be_visible()
    page.get_by_role("link", name="Back to Minerva").click()
    page.wait_for_url(product.url + "/")
