"""A model from the hub to the chat, through pauses, reloads and a killed worker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.chatting import send
from tests.e2e.conftest import running
from tests.e2e.product import Product, wait_for
from tests.made_models import write_scripted_model
from tests.models_app import evil_hub as evil
from tests.models_app.evil_hub import EvilHub

REPOSITORY = "owls/Night-1B-GGUF"
TEXT = "The owl flies at night, and comes home in the morning."
FILE = "night-Q4_K_M.gguf"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[EvilHub]:
    """It sends some megabytes in half a minute."""
    path = write_scripted_model(
        tmp_path / FILE, TEXT, layers=8, width=256, name="Night 1B", context_length=2048
    )
    with evil.evil_hub() as hub:
        hub.add(REPOSITORY, {FILE: path.read_bytes(), "README.md": b"# Night"})
        hub.always = evil.slow(0.05, piece=len(path.read_bytes()) // 600)
        yield hub


@pytest.fixture
def product_with_hub(hub: EvilHub, tmp_path: Path, browser: Browser) -> Iterator[Product]:
    product = Product(tmp_path / "data", MINERVA_HUB_ENDPOINT=hub.address)
    yield from running(product, browser)


def percent(page: Page) -> int:
    found = re.search(r"Downloading (\d+)", page.locator(".download").inner_text())
    return int(found[1]) if found else 0


def test_a_model_is_found_downloaded_through_everything_and_chatted_with(
    product_with_hub, hub, signed_in
):
    product, size = product_with_hub, len(hub.made[REPOSITORY].files[FILE])
    page = signed_in(product, "/models/discover/")
    expect(page.get_by_role("heading", name="To begin with")).to_be_visible()
    page.get_by_label("Search the hub").fill("night")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=REPOSITORY).click()
    expect(page.get_by_text("Recommended for this machine")).to_be_visible()
    page.get_by_role("button", name="Download Q4_K_M").click()

    row = page.locator(".download")
    wait_for(lambda: percent(page) > 5, what="some progress")
    elsewhere = signed_in(product, "/")
    expect(elsewhere.locator("#downloads-tray")).to_be_visible()
    row.get_by_role("button", name="Pause").click()
    expect(row.get_by_text("Paused")).to_be_visible()
    page.reload()
    expect(row.get_by_text("Paused")).to_be_visible()
    row.get_by_role("button", name="Resume").click()

    wait_for(lambda: percent(page) >= 50, what="half of it")
    product.kill("worker")
    num_requests = len(hub.requests)
    wait_for(lambda: len(hub.requests) > num_requests + 1, what="the next worker")
    first_byte = int(hub.requests[-1][2]["Range"].removeprefix("bytes=").rstrip("-"))
    assert first_byte >= 0.49 * size
    hub.always = None

    expect(row.get_by_text("Ready", exact=True)).to_be_visible(timeout=60_000)
    expect(elsewhere.locator("#downloads-tray")).to_have_count(0)
    placed = product.models_dir / REPOSITORY / FILE
    assert placed.read_bytes() == hub.made[REPOSITORY].files[FILE]
    row.get_by_role("link", name="My models").click()
    model = page.locator("[data-entry]", has_text="Night 1B")
    model.get_by_role("button", name="Load").click()
    expect(model.locator("[data-state=ready]")).to_be_visible(timeout=30_000)
    page.goto(product.url)
    send(page, "Tell me of the owl.", model="Night 1B")
    expect(page.get_by_text(TEXT)).to_be_visible(timeout=30_000)

    page.goto(f"{product.url}/models/")
    model.get_by_role("button", name="Unload").click()
    expect(model.locator("[data-state=unloaded]")).to_be_visible(timeout=30_000)
    model.get_by_role("button", name="Delete Night 1B").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"{size / 1e6:.1f}")
    page.get_by_role("button", name="Continue").click()
    expect(model).to_have_count(0)
    assert not placed.exists()
    page.get_by_role("button", name=re.compile("Undo.*Night 1B")).click()
    expect(model).to_be_visible()
    assert placed.exists()


def test_cancel_asks_first_and_removes_what_came(product_with_hub, hub, signed_in):
    page = signed_in(product_with_hub, f"/models/discover/{REPOSITORY}/")
    page.get_by_role("button", name="Download Q4_K_M").click()
    wait_for(lambda: percent(page) > 2, what="some progress")

    page.locator(".download").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Continue").click()

    expect(page.get_by_role("heading", name="Nothing is being downloaded")).to_be_visible()
    downloads = product_with_hub.models_dir / ".downloads"
    wait_for(lambda: not list(downloads.iterdir()), what="an empty folder")


def test_a_hub_that_fails_says_so_and_retry_goes_on(product_with_hub, hub, signed_in):
    page = signed_in(product_with_hub, f"/models/discover/{REPOSITORY}/")
    expect(page.get_by_text("those that the file itself gives")).to_be_visible(timeout=30_000)
    expect(page.locator(".model-card .answer")).to_be_visible()
    hub.faults.extend([evil.cut(300_000), evil.gone])
    page.get_by_role("button", name="Download Q4_K_M").click()
    row = page.locator(".download")
    expect(row.get_by_text("Failed")).to_be_visible(timeout=30_000)
    expect(row.get_by_text("no such repository or file")).to_be_visible()

    hub.always = None
    row.get_by_role("button", name="Retry").click()

    expect(row.get_by_text("Ready", exact=True)).to_be_visible(timeout=30_000)
