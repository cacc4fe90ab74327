"""A model card is what its maker wrote, as text: nothing of it loads, runs or leaves its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from hypothesis import given
from hypothesis import strategies as st

from models_app.hub.card import MAX_BYTES, plain_markdown
from models_app.hub.token import stored_token
from rendering import render_markdown
from tests.models_app import evil_hub as evil
from tests.models_app.evil_hub import EvilHub
from tests.rendering.page_elements import PageElements

pytestmark = pytest.mark.django_db

NAME = "owls/Night-1B-GGUF"
PAGE = f"/models/discover/{NAME}/"
HTMX = {"HX-Request": "true"}
TOKEN = "hf_abcdefgh12345678"
README = """---
license: apache-2.0
secret: front matter
---
<div align="center">
    <img src="https://evil.example/logo.png">
    <p>Made at night.</p>
</div>
<!-- a note
for nobody -->
<style>p { color: red }</style>
# Night

[![Badge](https://evil.example/badge.svg)](https://evil.example/) ![Chart](chart.png)

It thinks between <think> and </think>. <script>alert(1)</script> See [more](https://owls.example/).

```html
<div>kept as it is</div>
```
"""


@pytest.fixture
def hub(settings: Any, folder: Any) -> Iterator[EvilHub]:
    cache.clear()
    settings.MODELS_DIR = folder
    with evil.evil_hub() as hub:
        settings.HUB_ENDPOINT = hub.address
        hub.add(NAME, {"night-Q4_K_M.gguf": b"x" * 100, "README.md": README.encode()})
        yield hub


def card_of(client: Any, *, status: int = 200) -> str:
    response = client.get(f"{PAGE}card", headers=HTMX)
    assert response.status_code == status
    return str(response.content.decode())


def test_the_card_is_the_readme_without_what_only_the_hub_can_show(hub, staff):
    card = card_of(staff)

    assert "<h4" in card
    assert "Made at night." in card
    assert "&lt;think&gt;" in card
    assert 'href="https://owls.example/"' in card
    assert "kept as it is" in card
    for gone in ("front matter", "evil.example", "a note", "alert", "color: red", "<img", "Chart"):
        assert gone not in card


def test_without_javascript_the_card_stands_in_the_page(hub, staff):
    assert "Made at night." in staff.get(f"{PAGE}?card=1").content.decode()
    page = staff.get(PAGE).content.decode()
    assert f'hx-get="{PAGE}card"' in page
    assert 'href="?card=1"' in page


def test_a_repository_without_a_readme_has_no_card(hub, staff):
    del hub.made[NAME].files["README.md"]

    assert "Model card" not in staff.get(PAGE).content.decode()


@pytest.mark.parametrize("fault", [evil.gone, evil.broken, evil.packed, evil.cut(3)])
def test_a_card_that_cannot_be_read_says_why_and_the_page_stays(hub, staff, fault):
    hub.always = fault

    assert "could not be read" in card_of(staff)
    assert "Q4_K_M" in staff.get(PAGE).content.decode()


@pytest.mark.parametrize(("extra", "is_cut"), [(-1, False), (0, False), (1, True), (10**6, True)])
def test_a_long_card_is_cut_and_says_so(hub, staff, extra, is_cut):
    hub.made[NAME].files["README.md"] = b"# Long\n\n" + b"word " * ((MAX_BYTES + extra - 8) // 5)
    missing = MAX_BYTES + extra - len(hub.made[NAME].files["README.md"])
    hub.made[NAME].files["README.md"] += b"x" * missing

    assert ("There is more of it" in card_of(staff)) is is_cut


def test_a_card_of_any_bytes_is_shown(hub, staff):
    hub.made[NAME].files["README.md"] = b"\xff\xfe\x00# Owl\r\n\xed\xa0\x80"

    assert "Owl" in card_of(staff)


hostile = st.text(
    st.sampled_from(["<", ">", "!", "[", "]", "(", ")", "-", "\n", "`", "~", "\0", "/", " ", "a"]),
    max_size=80,
)
pieces = st.sampled_from(["<img src=x onerror=alert(1)>", "<!--", "-->", "<style", "```", "---\n"])


@given(st.lists(hostile | pieces, max_size=12).map("".join))
def test_whatever_a_card_holds_nothing_of_it_acts(readme: str):
    PageElements(str(render_markdown(plain_markdown(readme))))


@pytest.mark.parametrize(
    "part", ["<!--", "<style", "![", "![a](", "[\0](", "<div ", "<a <a ", "```\n"]
)
def test_a_card_made_to_take_long_takes_no_longer_than_its_text(part):
    """Twice as much of it would hang for minutes if a part were searched to the end each time."""
    assert plain_markdown(part * (MAX_BYTES // len(part))) is not None


# -- terms and the token --------------------------------------------------------------------------


def test_a_gated_repository_takes_the_token_where_it_is_missing(hub, staff):
    hub.made[NAME].gated = True
    page = staff.get(PAGE).content.decode()
    assert "terms have to be accepted" in page
    assert 'name="token"' in page

    given = {"token": TOKEN, "repository": NAME}
    response = staff.post("/models/discover/token", given)

    assert response.headers["Location"] == PAGE
    assert stored_token() == TOKEN
    assert TOKEN not in staff.get(PAGE).content.decode()
    assert "It has one" in staff.get(PAGE).content.decode()


@pytest.mark.parametrize(
    "back_to", ["https://evil.example/", "//evil.example", "../..", "", "a/b/c"]
)
def test_after_the_token_nobody_is_led_elsewhere(hub, staff, back_to):
    response = staff.post("/models/discover/token", {"token": TOKEN, "repository": back_to})

    assert response.headers["Location"] == "/models/discover/"
