"""A browser and the running product. Tests talk to it as people do: by page, HTTP and socket."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.product import Product
from tests.e2e.scripts import SCRIPTS
from tests.made_models import write_scripted_model

NAME = "Ada"
PASSWORD = "correct horse battery"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    mine = [item for item in items if here in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.e2e)
        item.add_marker(pytest.mark.timeout(180))
    if chromium() or not mine:
        return
    if os.environ.get("MINERVA_REQUIRE_BROWSER") == "1":
        pytest.exit("no Chromium found, and MINERVA_REQUIRE_BROWSER=1 asks for one", 1)
    for item in mine:
        item.add_marker(pytest.mark.skip(reason="no Chromium here: install the package chromium"))


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": chromium(), "args": CHROMIUM_FLAGS}


@pytest.fixture(scope="session")
def made_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scripted model for each text of `scripts`, made once."""
    folder = tmp_path_factory.mktemp("made")
    for name, script in SCRIPTS.items():
        write_scripted_model(folder / f"{name}.gguf", script.text, **script.options)
    return folder


def sign_up(product: Product, page: Page) -> None:
    page.goto(product.setup_url)
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(product.url + "/")


@pytest.fixture(scope="session")
def product(
    tmp_path_factory: pytest.TempPathFactory, made_models: Path, browser: Browser
) -> Iterator[Product]:
    """A running instance with an administrator and every made model, shared by the tests."""
    product = Product(tmp_path_factory.mktemp("data"))
    shutil.copytree(made_models, product.models_dir, dirs_exist_ok=True)
    yield from running(product, browser)


@pytest.fixture
def own_product(tmp_path: Path, made_models: Path, browser: Browser) -> Iterator[Product]:
    """An instance for one test alone: one that kills its processes, say."""
    product = Product(tmp_path)
    shutil.copytree(made_models, product.models_dir, dirs_exist_ok=True)
    yield from running(product, browser)


def running(product: Product, browser: Browser) -> Iterator[Product]:
    product.start()
    try:
        context = browser.new_context()
        sign_up(product, context.new_page())
        product.storage_state = context.storage_state()
        context.close()
        yield product
    finally:
        product.stop()
        print(product.output)


Contexts = Callable[..., BrowserContext]


@pytest.fixture
def signed_in(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page as the administrator of a product; any problem the browser reports fails, but for
    answers of a status that the test `expects`."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(
        product: Product, path: str = "/", *, expects: int | None = None, **options: Any
    ) -> Page:
        context = browser.new_context(
            storage_state=product.storage_state, base_url=product.url, **options
        )
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complain(complaints, line, expects))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints, complaints


def complain(complaints: list[str], line: Any, expects: int | None = None) -> None:
    """A lost connection is what some tests cause; everything else in the console is a fault.

    hx-ws prints the event of a socket's failure as it is, and htmx that of a request's.
    """
    lost_connection = (
        "ERR_CONNECTION",
        "WebSocket",
        "[object Event]",
        "htmx:sendError",
        "htmx:afterRequest",
    )
    if f"responded with a status of {expects} " in line.text:
        return
    if line.type == "error" and not any(words in line.text for words in lost_connection):
        complaints.append(line.text)
