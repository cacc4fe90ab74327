"""An MLX model in the browser: found, loaded, asked, looked at, unloaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from guide import topics
from guide.huggingface import write_huggingface
from playwright.sync_api import Browser, expect

from tests.e2e import chatting
from tests.e2e.conftest import running
from tests.e2e.product import ROOT, Product
from tests.process.engines import needs_mlx

GUIDE_FILE = ROOT / "models_app" / "built_in" / "minerva-guide-q8_0.gguf"
NAME = "guide-for-mlx"


@pytest.fixture(scope="module")
def mlx_product(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Product]:
    """Its only model of its own is the guide, as a folder for MLX."""
    product = Product(tmp_path_factory.mktemp("mlx"))
    write_huggingface(GUIDE_FILE, product.models_dir / NAME)
    yield from running(product, browser)


@needs_mlx
def test_a_folder_for_mlx_is_found_loaded_asked_and_unloaded(mlx_product, signed_in):
    page = signed_in(mlx_product, "/models/")
    row = page.locator("[data-entry]", has_text=NAME)
    expect(row.get_by_text("MLX", exact=True)).to_be_visible()

    row.get_by_role("button", name="Load").click()
    expect(row.locator("[data-state=ready]")).to_be_visible(timeout=60_000)
    page.goto(mlx_product.url)
    chatting.send(page, "What is GGUF?", model=NAME)
    answer = chatting.wait_until_done(page)
    path = answer.locator("[data-copy-source]").get_attribute("data-copy-source")
    assert page.request.get(path).text() == topics.load().by_name["what-is-gguf"].answer

    page.goto(f"{mlx_product.url}/models/")
    row.get_by_role("link", name=NAME, exact=True).click()
    expect(page.get_by_text("MLX, CPU: MLX computes on GPUs of Apple's only")).to_be_visible()
    expect(page.get_by_text("MLX (mlx-lm 0.32.")).to_be_visible()
    expect(page.get_by_text("tokenizer.json, 1,536 tokens")).to_be_visible()
    page.goto(f"{mlx_product.url}/models/")
    row.get_by_role("button", name="Unload").click()
    expect(row.locator("[data-state=unloaded]")).to_be_visible(timeout=30_000)


def test_where_mlx_is_not_set_up_the_page_says_what_to_do(tmp_path, browser, signed_in):
    product = Product(tmp_path, MINERVA_MLX_PYTHON=str(Path("/nowhere/python")))
    write_huggingface(GUIDE_FILE, product.models_dir / NAME)
    for one in running(product, browser):
        page = signed_in(one, "/models/")
        row = page.locator("[data-entry]", has_text=NAME)
        expect(row.get_by_text("MLX is not set up here")).to_be_visible()
        expect(row.get_by_text("make mlx")).to_be_visible()
        expect(row.get_by_role("button", name="Load")).to_have_count(0)
