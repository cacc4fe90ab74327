"""Filters, the context slider and uploads, as a person uses them; and without JavaScript."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from tests.e2e.conftest import running
from tests.e2e.product import Product, wait_for
from tests.e2e.test_looks import check_look, each_look
from tests.made_folders import write_random_folder
from tests.made_models import write_random_model
from tests.models_app import evil_hub as evil
from tests.models_app.evil_hub import EvilHub

NIGHT = "owls/Night-1B-GGUF"
FAST = "owls/Fast-4B-4bit"
CARD = (
    b"---\nlicense: apache-2.0\n---\n# Of owls\n\nMade **at night**. <img src=x onerror=alert(1)>\n"
)
MIB = 2**20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of some 20 MiB, so that it takes several pieces."""
    path = tmp_path_factory.mktemp("upload") / "night owl.gguf"
    return write_random_model(path, layers=16, width=256, context_length=32768, name="Night Owl")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For MLX."""
    return write_random_folder(tmp_path_factory.mktemp("mlx") / "Fast", bits=4)


@pytest.fixture(scope="module")
def hub(model: Path, folder: Path) -> Iterator[EvilHub]:
    gguf = {"total": 1_100_000_000, "architecture": "llama", "context_length": 32768}
    with evil.evil_hub() as hub:
        files = {"night-Q4_K_M.gguf": model.read_bytes(), "README.md": CARD}
        told = gguf | {"chat_template": "{% if tools %}"}
        hub.add(NIGHT, files, gguf=told, likes=7, tags=("gguf", "conversational"))
        hub.add("owls/Eye-3B-GGUF", {}, task="image-text-to-text", gguf=gguf, likes=9)
        hub.add("owls/Vast-400B-GGUF", {}, gguf={"total": 400 * 10**9})
        fast = {file.name: file.read_bytes() for file in folder.iterdir()} | {"model.bin": b"x"}
        hub.add(FAST, fast, gguf=None, tags=("mlx", "4-bit"), license="mit")
        hub.add("owls/Old-4B", {"model.bin": b"x"}, gguf=None, tags=())
        hub.add("owls/Gated-7B-GGUF", {"g-Q4_0.gguf": b"x"}, gated=True, likes=0)
        yield hub


@pytest.fixture(scope="module")
def product_with_hub(
    hub: EvilHub, tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> Iterator[Product]:
    """Whether MLX is set up on the machine of the tests makes no difference: here it is not."""
    data = tmp_path_factory.mktemp("data")
    without = {"MINERVA_MLX_PYTHON": str(data / "no-python")}
    product = Product(data, MINERVA_HUB_ENDPOINT=hub.address, **without)
    yield from running(product, browser)


def found(page: Page) -> Locator:
    return page.locator("#found .hub-name")


def test_filters_and_order_are_kept_in_the_address(product_with_hub, signed_in):
    liked = ["owls/Eye-3B-GGUF", NIGHT, "owls/Gated-7B-GGUF"]
    page = signed_in(product_with_hub, "/models/discover/")
    page.get_by_label("Search the hub").fill("owls")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name=NIGHT)).to_be_visible()

    page.get_by_label("Size").select_option(label="Small enough for this machine")
    expect(page.get_by_role("link", name="Vast")).to_have_count(0)
    page.get_by_label("Sort by").select_option(label="Most liked")
    expect(found(page)).to_have_text(liked)
    page.get_by_label("What it can").focus()
    page.get_by_label("What it can").select_option(label="Sees images")
    expect(found(page)).to_have_text(liked[:1])
    assert page.evaluate("document.activeElement.id") == "hub-task"

    page.reload()
    expect(found(page)).to_have_text(liked[:1])
    expect(page.get_by_label("Size")).to_have_value("fits")
    page.go_back()
    expect(found(page)).to_have_text(liked)
    expect(page.get_by_label("What it can")).to_have_value("")
    page.get_by_label("Format").select_option(label="MLX")
    expect(page.get_by_text("MLX is not set up here")).to_be_visible()


def test_licences_and_tools_are_filtered_by(product_with_hub, signed_in):
    page = signed_in(product_with_hub, "/models/discover/?format=gguf")
    page.get_by_label("What it can").select_option(label="Tools")
    expect(found(page)).to_have_text([NIGHT])
    expect(page.get_by_text("of the first 120 that the hub names")).to_be_visible()
    page.get_by_label("What it can").select_option(label="Whatever it can")
    expect(page.get_by_role("link", name="Vast")).to_be_visible()
    page.get_by_label("Format").select_option(label="MLX")
    expect(found(page)).to_have_text([FAST])
    page.get_by_label("Licence").select_option(label="Apache, MIT and the like")
    expect(page).to_have_url(re.compile("licence=permissive"))
    page.reload()
    expect(page.get_by_label("Licence")).to_have_value("permissive")
    expect(found(page)).to_have_text([FAST])


def test_a_model_for_mlx_is_found_downloaded_and_listed_as_one(product_with_hub, hub, signed_in):
    page = signed_in(product_with_hub, "/models/discover/?format=mlx")
    page.get_by_role("link", name=FAST).click()
    expect(page.get_by_text("a folder of 4 files")).to_be_visible()
    expect(page.get_by_text("those that the file itself gives")).to_be_visible()
    expect(page.get_by_text("it can be downloaded, and not be run here yet")).to_be_visible()
    page.get_by_text("1 file that Minerva never fetches").click()
    expect(page.get_by_text("model.bin, 1")).to_be_visible()
    page.get_by_role("button", name="Download MLX").click()

    row = page.locator(".download", has_text=FAST)
    expect(row.get_by_text("Ready", exact=True)).to_be_visible(timeout=60_000)
    placed = product_with_hub.models_dir / FAST / "Fast-4B-4bit"
    assert {file.name for file in placed.iterdir()} == set(hub.made[FAST].files) - {"model.bin"}
    row.get_by_role("link", name="My models").click()
    listed = page.locator("[data-entry]", has_text="Fast-4B-4bit")
    expect(listed.get_by_text("MLX", exact=True)).to_be_visible()
    expect(listed.get_by_text("MLX is not set up here")).to_be_visible()


def test_a_folder_is_used_in_place_and_forgotten(product_with_hub, signed_in, model, tmp_path):
    used = tmp_path / "in place.gguf"  # others upload the model itself
    shutil.copy(model, used)
    page = signed_in(product_with_hub, "/models/", expects=422)
    page.get_by_text("Use a folder in place").click()
    page.get_by_label("Path of a folder").fill("/etc")
    page.get_by_role("button", name="Use it", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text(
        "This folder belongs to the system. Name one with models."
    )

    page.get_by_label("Path of a folder").fill(str(tmp_path))
    page.get_by_role("button", name="Use it", exact=True).click()
    listed = page.locator("[data-entry]", has_text=used.name)
    expect(listed).to_be_visible()
    page.get_by_role("button", name=f"Forget {tmp_path}").click()
    expect(listed).to_have_count(0)
    assert used.exists()


def test_without_javascript_the_same_is_found(product_with_hub, signed_in):
    page = signed_in(product_with_hub, "/models/discover/", java_script_enabled=False)
    page.get_by_label("What it can").select_option(label="Sees images")
    page.get_by_role("button", name="Search").click()
    expect(found(page)).to_have_text(["owls/Eye-3B-GGUF"])

    page.goto(f"{product_with_hub.url}/models/discover/{NIGHT}/")
    page.get_by_role("link", name="Show what its maker writes").click()
    expect(page.get_by_text("Made at night")).to_be_visible()
    page.goto(f"{product_with_hub.url}/models/downloads/")
    expect(page.get_by_text("Uploading needs JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Choose a file")).to_have_count(0)


def kv_cache(page: Page) -> str:
    title = page.locator("#variants .fit").first.get_attribute("title") or ""
    return title.partition("KV cache ")[2].partition(" +")[0].replace("\N{NO-BREAK SPACE}", " ")


def test_the_estimate_follows_the_slider_with_the_files_own_numbers(product_with_hub, signed_in):
    page = signed_in(product_with_hub, f"/models/discover/{NIGHT}/")
    expect(page.get_by_text("those that the file itself gives")).to_be_visible()
    expect(page.get_by_text("Made at night")).to_be_visible()
    # 16 layers keep 2 x 256 numbers of two bytes for each token.
    assert kv_cache(page) == "134 MB for 8,192 tokens"

    slider = page.get_by_label("Context in tokens")
    slider.focus()
    page.keyboard.press("End")

    expect(page.locator("output")).to_have_text("32,768")
    wait_for(lambda: kv_cache(page) == "537 MB for 32,768 tokens", what="a larger KV cache")
    assert page.evaluate("document.activeElement.id") == "fit-context"


def percent(page: Page, name: str = "") -> int:
    """Of the upload of this file; others may have stopped beside it."""
    rows = page.locator(".download", has_text=name).all_inner_texts()
    found = re.search(r"(?:Uploading|Upload stopped at) (\d+)", "\n".join(rows))
    return int(found[1]) if found else 0


def slow_pieces(page: Page) -> None:
    """A network on which a piece takes its time."""
    page.route(re.compile(r"/models/uploads/.+offset="), lambda route: _later(page, route))


def _later(page: Page, route: Route) -> None:
    # The page may be gone meanwhile, and the request with it.
    with suppress(PlaywrightError):
        page.wait_for_timeout(250)
        route.continue_()


def test_a_file_is_uploaded_goes_on_after_a_reload_and_is_listed(
    product_with_hub, signed_in, model
):
    page = signed_in(product_with_hub, "/models/downloads/")
    slow_pieces(page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("input[type=file]").set_input_files(model)
    expect(page.get_by_text("Keep this page open")).to_be_visible()
    wait_for(lambda: percent(page, model.name) >= 20, what="some of it")
    assert not list(product_with_hub.models_dir.rglob("night*.gguf"))

    # Slow until it is gone: at full speed the rest of the file would be there first.
    page.reload()
    page.unroute_all(behavior="ignoreErrors")
    assert percent(page, model.name) >= 20
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    ready = page.locator(".download [data-state=ready]")
    others = ready.count()
    page.locator("input[type=file]").set_input_files(model)

    expect(ready).to_have_count(others + 1, timeout=60_000)
    pieces = [int(url.partition("offset=")[2]) for url in sent if "offset=" in url]
    assert pieces[0] >= 0.2 * model.stat().st_size
    placed = product_with_hub.models_dir / "uploads" / model.name
    assert _digest(placed) == _digest(model)
    page.get_by_role("link", name="My models").last.click()
    expect(page.locator("[data-entry]", has_text="Night Owl")).to_be_visible()


def test_what_is_dropped_that_is_no_model_is_refused_in_words(product_with_hub, signed_in):
    page = signed_in(product_with_hub, "/models/downloads/", expects=422)
    data = page.evaluate_handle(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["some text"], "notes.txt"));
            return data;
        }"""
    )

    page.dispatch_event("#upload", "drop", {"dataTransfer": data})

    expect(page.get_by_text("notes.txt: Only GGUF files can be uploaded.")).to_be_visible()


def test_a_cancelled_upload_ends_on_the_page_too(product_with_hub, signed_in, model):
    other = model.with_name("another owl.gguf")
    other.write_bytes(model.read_bytes())
    page = signed_in(product_with_hub, "/models/downloads/", expects=410)
    slow_pieces(page)
    page.locator("input[type=file]").set_input_files(other)
    row = page.locator(".download", has_text=other.name)
    wait_for(lambda: percent(page, other.name) > 0, what="some of it")

    row.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Continue").click()

    expect(page.get_by_text("This upload was cancelled")).to_be_visible(timeout=30_000)
    expect(row).to_have_count(0)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


PAGES = {
    "discover": "",
    "found": "?q=owls",
    "repository": f"{NIGHT}/",
    "gated": "owls/Gated-7B-GGUF/",
    "mlx": f"{FAST}/",
    "mlx-found": "?format=mlx",
    "refused": "owls/Old-4B/",
}


@each_look
@pytest.mark.parametrize("name", PAGES)
def test_pages_of_the_hub_look_finished(product_with_hub, signed_in, look, name, request):
    page = signed_in(product_with_hub, f"/models/discover/{PAGES[name]}", **look)
    page.wait_for_load_state("networkidle")

    check_look(page, name, request)


@each_look
def test_an_upload_under_way_looks_finished(product_with_hub, signed_in, model, look, request):
    other = model.with_name(f"{request.node.callspec.id}.gguf")
    other.write_bytes(model.read_bytes())
    page = signed_in(product_with_hub, "/models/downloads/", **look)
    slow_pieces(page)
    page.locator("input[type=file]").set_input_files(other)
    wait_for(lambda: percent(page) > 10, what="some of it")

    check_look(page, "upload", request)
