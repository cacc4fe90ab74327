"""Discover, a repository's page and the downloads: who sees them, and what they do."""

from __future__ import annotations

import html
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from models_app import fit
from models_app.downloads import states, storage
from models_app.fit import FitWord, Room, fit_of
from models_app.hub import views
from models_app.hub.token import stored_token
from models_app.models import Download, DownloadFile, DownloadState, HubToken
from tests.models_app import evil_hub as evil
from tests.models_app.evil_hub import EvilHub

pytestmark = pytest.mark.django_db

NAME = "owls/Night-1B-GGUF"
PAGE = f"/models/discover/{NAME}/"
HTMX = {"HX-Request": "true"}
GB = 10**9


@pytest.fixture
def hub(settings: Any, folder: Any) -> Iterator[EvilHub]:
    settings.MODELS_DIR = folder
    settings.DOWNLOADS_DIR = folder.parent / "downloads"
    with evil.evil_hub() as hub:
        settings.HUB_ENDPOINT = hub.address
        hub.add(NAME, {"night-Q4_K_M.gguf": b"x" * 100, "night-Q8_0.gguf": b"x" * 200})
        yield hub


def text_of(client: Client, path: str, *, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status
    return html.unescape(response.content.decode())


def begin(client: Client, **fields: str) -> Any:
    return client.post("/models/downloads/start", {"repository": NAME, "variant": "Q8_0"} | fields)


def test_members_see_and_do_nothing_of_it(hub, member):
    download = states.request(repository=NAME, variant="Q4_K_M")

    for path in ("/models/discover/", PAGE, "/models/downloads/"):
        assert member.get(path).status_code == 403
    for action in ("pause", "go-on", "cancel", "clear"):
        assert member.post(f"/models/downloads/{download.pk}/{action}").status_code == 403
    for action in ("start", "address"):
        assert member.post(f"/models/downloads/{action}").status_code == 403
    assert Client().get("/models/discover/").status_code == 302
    assert hub.requests == []


def test_without_a_search_there_are_models_to_begin_with_and_nothing_is_asked(hub, staff):
    shown = text_of(staff, "/models/discover/")

    assert "To begin with" in shown
    assert "Qwen3 0.6B" in shown
    assert hub.requests == []


def test_a_mac_with_apple_silicon_is_shown_models_for_mlx_too(hub, staff, monkeypatch):
    assert "for MLX" not in text_of(staff, "/models/discover/")

    monkeypatch.setattr(views, "is_apple_silicon", lambda: True)

    assert "Qwen3 4B for MLX" in text_of(staff, "/models/discover/")


def test_a_search_lists_what_it_finds(hub, staff):
    assert NAME in text_of(staff, "/models/discover/?q=night&sort=likes")
    assert "Nothing found" in text_of(staff, "/models/discover/?q=zebra&sort=whatever")


def test_a_search_that_fails_says_why_and_keeps_the_words(hub, staff, settings):
    settings.HUB_ENDPOINT = "http://127.0.0.1:9"

    shown = text_of(staff, "/models/discover/?q=night")

    assert "cannot be reached" in shown
    assert 'value="night"' in shown


def test_what_is_shown_of_the_hub_is_text(hub, staff):
    hub.add("owls/Evil-GGUF", {"m-Q4_0.gguf": b"x"}, license="<script>alert(1)</script>")

    response = staff.get("/models/discover/?q=evil")

    assert b"<script>alert" not in response.content
    assert b"&lt;script&gt;" in response.content


def test_a_whole_name_leads_to_its_page_with_what_was_named(hub, staff):
    response = staff.get("/models/discover/", {"q": f"{NAME}:Q8_0"})

    assert response.status_code == 302
    shown = text_of(staff, response.headers["Location"])
    assert "The one you named" in shown
    assert "Recommended for this machine" in shown


def test_offline_the_page_says_so(hub, staff, settings):
    settings.HUB_IS_OFFLINE = True

    assert "works offline" in text_of(staff, "/models/discover/?q=night")
    assert "offline" in text_of(staff, PAGE, status=502)
    assert hub.requests == []


def test_a_repository_that_is_not_there_is_not_found(hub, staff):
    assert "no such repository" in text_of(staff, "/models/discover/owls/nothing/", status=404)
    assert staff.get("/models/discover/owls/..nothing/").status_code == 404


@pytest.mark.parametrize(
    ("files", "tags", "words"),
    [
        (["model.safetensors"], ("mlx",), "It has no config.json, which MLX needs."),
        (["model.safetensors", "pytorch_model.bin"], (), "Weights that are not taken"),
        (["pytorch_model.bin"], (), "can run code"),
        (["README.md"], (), "No model in here"),
    ],
)
def test_a_repository_without_gguf_says_why_and_where_to_look(hub, staff, files, tags, words):
    hub.add("owls/Plain-4B-4bit", dict.fromkeys(files, b"x"), tags=tags)

    shown = text_of(staff, "/models/discover/owls/Plain-4B-4bit/")

    assert words in shown
    assert "?q=Plain%204B&format=gguf" in shown
    assert "/models/downloads/start" not in shown


def test_an_address_with_filters_searches_without_words_and_shows_them_chosen(hub, staff):
    hub.add("owls/Eye-3B", {}, task="image-text-to-text", likes=9)

    shown = text_of(staff, "/models/discover/?task=vision&sort=likes&size=fits")

    assert "owls/Eye-3B" in shown
    assert NAME not in shown
    assert "To begin with" not in shown
    assert '<option value="vision" selected>' in shown
    assert '<option value="likes" selected>' in shown
    assert '<option value="fits" selected>' in shown


def starters(shown: str) -> str:
    return shown.partition("To begin with")[2]


@pytest.mark.parametrize(
    ("query", "name", "other"),
    [
        ("task=embeddings", "Nomic Embed", "Qwen3"),
        ("task=vision", "Gemma 3 4B", "Qwen3"),
        ("task=reasoning&size=small", "Qwen3 0.6B", "Qwen2.5 Coder"),
        ("licence=permissive", "Qwen3 0.6B", "Gemma"),
        ("format=mlx&task=tools", "Qwen3 4B for MLX", "gpt-oss"),
    ],
)
def test_where_the_hub_cannot_be_asked_filters_hold_for_models_to_begin_with(
    hub, staff, settings, query, name, other
):
    settings.HUB_IS_OFFLINE = True
    shown = starters(text_of(staff, f"/models/discover/?{query}"))

    assert name in shown
    assert other not in shown


def test_filters_by_licence_and_tools_are_in_the_address_and_shown_chosen(hub, staff):
    template = {"chat_template": "{{ tools }}"}
    tags = ("gguf", "conversational")
    hub.add("owls/Handy", {}, gguf=template, tags=tags, license="mit")
    hub.add("owls/Bound", {}, gguf=template, tags=tags, license="gemma")

    shown = text_of(staff, "/models/discover/?task=tools&licence=permissive")

    assert "owls/Handy" in shown
    assert "owls/Bound" not in shown
    assert "of the first 120 that the hub names" in shown
    assert '<option value="tools" selected>' in shown
    assert '<option value="permissive" selected>' in shown


def test_htmx_gets_what_was_found_alone(hub, staff):
    response = staff.get("/models/discover/?q=night&sort=likes", headers=HTMX)

    shown = response.content.decode()
    assert NAME in shown
    assert "<html" not in shown
    assert 'role="search"' not in shown


def test_htmx_is_led_to_the_page_of_a_whole_name(hub, staff):
    response = staff.get("/models/discover/", {"q": f"{NAME}:Q8_0"}, headers=HTMX)

    assert response.headers["HX-Redirect"].startswith(PAGE)


def test_filters_that_leave_nothing_can_be_left_out(hub, staff):
    shown = text_of(staff, "/models/discover/?q=night&size=huge")

    assert "passes these filters" in shown
    assert "?q=night&format=gguf&size=&task=&licence=&sort=downloads" in shown


def test_more_is_offered_while_there_may_be_more(hub, staff):
    for number in range(40):
        hub.add(f"owls/Many-{number}", {})

    shown = text_of(staff, "/models/discover/?q=many")
    assert shown.count('class="hub-name"') == 30
    assert "show=60" in shown

    shown = text_of(staff, "/models/discover/?q=many&show=60")
    assert shown.count('class="hub-name"') == 40
    assert "Show more" not in shown


def test_mlx_models_are_found_and_where_they_cannot_be_run_it_is_said(hub, staff, settings):
    without = {"mlx_python": Path("/without/bin/python")}
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update=without)
    hub.add("owls/Fast-4B-4bit", {}, gguf=None, tags=("mlx", "4-bit"))

    shown = text_of(staff, "/models/discover/?q=&format=mlx")

    assert "owls/Fast-4B-4bit" in shown
    assert "4 B parameters" in shown.replace("\N{NO-BREAK SPACE}", " ")
    assert "4-bit" in shown
    assert "make mlx" in shown


def test_a_download_is_begun_once_and_shown_everywhere(hub, staff):
    assert begin(staff).headers["Location"] == "/models/downloads/"
    begin(staff)

    download = Download.objects.get()
    assert (download.state, download.variant) == (DownloadState.QUEUED, "Q8_0")
    assert "Waiting" in text_of(staff, "/models/downloads/")
    assert "under way" in text_of(staff, "/models/")
    assert 'href="/models/downloads/">0 %' in text_of(staff, PAGE)


def test_a_model_that_was_deleted_again_can_be_downloaded_again(hub, staff, settings):
    download = states.request(repository=NAME, variant="Q8_0")
    file = DownloadFile.objects.create(
        download=download, number=0, name="night-Q8_0.gguf", url="x", size=200, checksum="x"
    )
    Download.objects.update(state=DownloadState.READY)
    place = storage.place_of(download, file)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x" * 200)
    assert text_of(staff, PAGE).count(">Here<") == 1

    place.unlink()

    shown = text_of(staff, PAGE)
    assert ">Here<" not in shown
    assert 'value="Q8_0"' in shown


@pytest.mark.parametrize(
    "fields", [{"repository": "../.."}, {"repository": ""}, {"variant": ""}, {"variant": "x" * 256}]
)
def test_what_names_no_model_is_not_begun(hub, staff, fields):
    assert begin(staff, **fields).status_code == 404
    assert not Download.objects.exists()


def test_each_button_does_what_it_says_and_too_late_it_says_so(hub, staff):
    begin(staff)
    download = Download.objects.get()
    path = f"/models/downloads/{download.pk}"

    for action, state in [("pause", "paused"), ("go-on", "queued"), ("cancel", "cancelled")]:
        assert staff.post(f"{path}/{action}", headers=HTMX).status_code == 200
        download.refresh_from_db()
        assert download.state == state
    late = staff.post(f"{path}/pause", headers=HTMX)
    assert "changed in the meantime" in late.headers["HX-Trigger"]
    assert staff.post(f"/models/downloads/{uuid.uuid4()}/pause").status_code == 404


def test_cancel_removes_what_came(hub, staff):
    begin(staff)
    download = Download.objects.get()
    storage.folder_of(download.pk).mkdir(parents=True)
    (storage.folder_of(download.pk) / "0.part").write_bytes(b"x")

    staff.post(f"/models/downloads/{download.pk}/cancel")

    assert not storage.folder_of(download.pk).exists()


def test_the_list_asks_for_itself_only_while_something_changes(hub, staff):
    begin(staff)
    assert 'hx-trigger="every 1s"' in text_of(staff, "/models/downloads/")
    assert staff.get("/models/downloads/", headers=HTMX).status_code == 200

    states.pause(Download.objects.get().pk)

    assert "every 1s" not in text_of(staff, "/models/downloads/")
    assert staff.get("/models/downloads/", headers=HTMX).status_code == 286


def test_a_list_of_many_costs_no_more_queries(hub, staff):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            staff.get("/models/downloads/")
        return len(captured)

    staff.get("/models/downloads/")
    few = queries()
    for number in range(50):
        states.request(repository=NAME, variant=f"Q{number}")

    assert queries() == few


SHA = "a" * 64


@pytest.mark.parametrize(
    ("address", "sha256", "words"),
    [
        ("ftp://a.example/m.gguf", SHA, "https://"),
        ("https://a.example/", SHA, "ends in a file"),
        ("https://a.example/m.zip", SHA, "GGUF file"),
        ("http://[::1/m.gguf", SHA, "no web address"),
        ("https://a.example/..%2f..%2fm.gguf", SHA, ""),
        ("https://a.example/m.gguf#x", SHA, "#"),
        ("https://a.example/m.gguf", "", "SHA-256"),
        ("https://a.example/m.gguf", "g" * 64, "SHA-256"),
        ("https://a.example/" + "x" * 2000 + ".gguf", SHA, "address"),
    ],
)
def test_an_address_that_will_not_do_is_refused_and_kept(hub, staff, address, sha256, words):
    given = {"address": address, "sha256": sha256}
    response = staff.post("/models/downloads/address", given)

    if words:
        assert response.status_code == 422
        shown = html.unescape(response.content.decode())
        assert words in shown
        assert address in shown
        assert not Download.objects.exists()
    else:
        assert all("/" not in one.file_name for one in Download.objects.all())


def test_an_address_is_downloaded(hub, staff):
    given = {"address": "https://a.example/owl-Q4_0.gguf", "sha256": SHA.upper()}

    assert staff.post("/models/downloads/address", given).status_code == 302
    assert Download.objects.get().url == f"https://a.example/owl-Q4_0.gguf#sha256:{SHA}"
    assert "owl-Q4_0.gguf" in text_of(staff, "/models/downloads/")


@pytest.mark.parametrize(
    ("weights", "room", "word"),
    [
        (5 * GB, Room(16 * GB), FitWord.CPU),
        (20 * GB, Room(16 * GB), FitWord.TOO_LARGE),
        (5 * GB, Room(16 * GB, gpu=12 * GB), FitWord.GPU),
        (15 * GB, Room(16 * GB, gpu=12 * GB), FitWord.PARTLY_GPU),
        (40 * GB, Room(16 * GB, gpu=12 * GB), FitWord.TOO_LARGE),
        (0, Room(fit.BUFFERS), FitWord.TOO_LARGE),
    ],
)
def test_what_fits_is_said_in_four_words(weights, room, word):
    found = fit_of(weights, num_parameters=8 * GB, room=room)

    assert found.word is word
    assert found.memory.total > weights
    assert found.runs is (word is not FitWord.TOO_LARGE)


TOKEN = "hf_abcdefgh12345678"


def save_token(client: Client, token: str) -> Any:
    return client.post("/models/discover/token", {"token": token}, follow=True)


def test_a_token_is_stored_encrypted_used_and_never_shown(hub, staff, settings):
    shown = html.unescape(save_token(staff, f" {TOKEN} ").content.decode())

    assert "is stored" in shown
    assert TOKEN not in shown
    assert TOKEN not in HubToken.objects.get().secret
    text_of(staff, PAGE)
    assert hub.requests[-1][2]["Authorization"] == f"Bearer {TOKEN}"
    settings.SECRET_KEY = "another one"
    assert stored_token() == ""


def test_a_token_is_replaced_and_forgotten(hub, staff):
    save_token(staff, TOKEN)
    save_token(staff, TOKEN + "9")
    assert stored_token() == TOKEN + "9"

    assert "forgotten" in html.unescape(save_token(staff, "").content.decode())
    assert stored_token() == ""
    assert not HubToken.objects.exists()


@pytest.mark.parametrize(
    "token", ["short", "two words12", "x" * 201, "line\nbreak12", "schlüssel-1234"]
)
def test_what_is_no_token_is_refused(hub, staff, token):
    assert "no token" in html.unescape(save_token(staff, token).content.decode())
    assert stored_token() == ""


def test_the_token_of_the_environment_goes_first(hub, staff, settings):
    save_token(staff, TOKEN)
    settings.HUB_TOKEN = "hf_of_the_environment"

    assert "MINERVA_HUB_TOKEN" in text_of(staff, "/models/discover/")
    text_of(staff, PAGE)
    assert hub.requests[-1][2]["Authorization"] == "Bearer hf_of_the_environment"


def test_members_give_no_token(hub, member):
    assert save_token(member, TOKEN).status_code == 403
    assert stored_token() == ""
