"""What every page keeps to: nothing inline, a small weight, the theme from the first paint."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.views.csrf import csrf_failure
from django.views.defaults import (
    bad_request,
    page_not_found,
    permission_denied,
    server_error,
)

from accounts.models import User
from minerva_site.theme import appearance

MOST_BYTES = 200 * 1024
MODULE_IMPORT = re.compile(r'^\s*(?:import|export)\b[^;]*?"(\.{1,2}/[^"]+)"', re.MULTILINE)
pytestmark = pytest.mark.django_db


class Tags(HTMLParser):
    """The tags of a page, and how much text stands inside <script> and <style>."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self._is_inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._is_inside = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = False

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.inline += data.strip()

    def attributes(self) -> set[str]:
        return {name for _, attributes in self.tags for name in attributes}

    def assets(self) -> set[str]:
        scripts = {attributes.get("src") for tag, attributes in self.tags if tag == "script"}
        links = {attributes.get("href") for tag, attributes in self.tags if tag == "link"}
        return {url for url in scripts | links if url}


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("alice", password="a long password"))
    return client


@pytest.fixture
def member(staff: Client) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("bob", password="another password"))
    return client


def error_page(status: int) -> str:
    request = RequestFactory().get("/nowhere/")
    request.user = User(username="alice")
    error = Exception("planted")
    pages: dict[int, Any] = {
        400: lambda: bad_request(request, error),
        403: lambda: permission_denied(request, error),
        404: lambda: page_not_found(request, error),
        500: lambda: server_error(request),
    }
    response = pages[status]()
    assert response.status_code == status
    return str(response.content.decode())


def assert_nothing_inline(page: str) -> None:
    tags = Tags(page)

    handlers = {name for name in tags.attributes() if name.startswith(("on", "hx-on"))}
    assert not handlers
    assert "style" not in tags.attributes()
    assert not any(tag == "style" for tag, _ in tags.tags)
    assert tags.inline == ""


def weight(page: str) -> dict[str, int]:
    """Bytes of a page and everything it loads, uncompressed, by name."""
    sizes = {"page": len(page.encode())}
    waiting = [url.removeprefix("/static/") for url in Tags(page).assets()]
    while waiting:
        name = waiting.pop()
        if name in sizes:
            continue
        path = Path(settings.STATIC_ROOT) / name
        sizes[name] = path.stat().st_size
        if path.suffix == ".js":
            folder = Path(name).parent
            found = MODULE_IMPORT.findall(path.read_text())
            waiting += [(folder / target).as_posix() for target in found]
    return sizes


@pytest.mark.parametrize(
    "path",
    ["/", "/models/", "/models/discover/", "/models/downloads/", "/styleguide/", "/nowhere/"],
)
def test_nothing_is_inline_on_pages_of_staff(staff: Client, path: str) -> None:
    assert_nothing_inline(staff.get(path).content.decode())


def test_nothing_is_inline_on_the_sign_in_page(member: Client) -> None:
    page = Client().get("/sign-in/").content.decode()

    assert 'name="password"' in page
    assert_nothing_inline(page)


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_nothing_is_inline_on_error_pages(status: int) -> None:
    assert_nothing_inline(error_page(status))


@pytest.mark.parametrize("path", ["/", "/models/", "/models/discover/", "/models/downloads/"])
def test_page_and_all_it_loads_weigh_at_most_200_kb(staff: Client, path: str) -> None:
    sizes = weight(staff.get(path).content.decode())

    assert any(name.startswith("js/") for name in sizes)
    assert sum(sizes.values()) <= MOST_BYTES, sizes


def test_error_page_of_500_needs_no_context() -> None:
    page = render_to_string("500.html")

    assert "Minerva failed on this page" in page
    assert 'data-theme="system"' in page


def test_csrf_failure_says_what_to_do() -> None:
    response = csrf_failure(RequestFactory().post("/"), reason="planted")

    assert response.status_code == 403
    assert "reload the page" in response.content.decode()
    assert "planted" not in response.content.decode()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chosen_theme_is_in_the_first_byte_of_the_page(member: Client, theme: str) -> None:
    client = Client(headers={"cookie": f"minerva_theme={theme}"})

    page = client.get("/sign-in/").content.decode()

    assert f'data-theme="{theme}"' in page


def test_unknown_cookie_means_the_default_appearance() -> None:
    request = RequestFactory().get("/")
    request.COOKIES = {"minerva_theme": '"><script>', "minerva_sidebar": "ajar"}

    assert appearance(request) == {"theme": "system", "sidebar_state": "open"}


def test_sidebar_stays_closed_when_it_was_closed(staff: Client) -> None:
    staff.cookies["minerva_sidebar"] = "closed"

    assert 'data-sidebar="closed"' in staff.get("/models/").content.decode()


def test_htmx_is_told_not_to_evaluate_and_to_swap_422(member: Client) -> None:
    page = Client().get("/sign-in/").content.decode()

    assert '"allowEval":false' in page
    assert '"allowScriptTags":false' in page
    assert '"historyCacheSize":0' in page
    assert '{"code":"422","swap":true}' in page


def test_htmx_never_sets_a_style_attribute_which_the_policy_forbids(member: Client) -> None:
    page = Client().get("/sign-in/").content.decode()

    assert '"attributesToSettle":["class","width","height"]' in page


def test_member_sees_no_way_to_the_models_page(member: Client) -> None:
    assert 'href="/models/"' not in member.get("/").content.decode()


def test_styleguide_shows_every_component_in_both_themes(staff: Client) -> None:
    page = staff.get("/styleguide/").content.decode()

    assert page.count('class="guide-panel" data-theme="light"') == 1
    assert page.count('class="guide-panel" data-theme="dark"') == 1
    for name in ("button-danger", "switch", "menu", "dialog", "toast", "badge", "progress"):
        assert f'class="{name}' in page or f" {name}" in page


def test_styleguide_is_for_staff_only(member: Client) -> None:
    assert member.get("/styleguide/").status_code == 403


def test_styleguide_asks_a_stranger_to_sign_in(member: Client) -> None:
    response = Client().get("/styleguide/")

    assert response.status_code == 302
    assert response["location"].startswith("/sign-in/")


def test_ids_of_the_styleguide_are_unique(staff: Client) -> None:
    tags = Tags(staff.get("/styleguide/").content.decode())

    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
