"""A repository's page tells what a model needs by the file's own numbers, read at the hub."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from models_app.fit import Room, fit_of_header
from models_app.hub import files, headers
from models_app.hub.client import Hub
from models_app.hub.headers import Unread, family_of, known_headers, read_headers
from models_app.hub.repository import HubFile, Repository, Variant
from models_app.models import RemoteHeader
from tests.inference.gguf_files import LLAMA, STRING, File, array_pair, text
from tests.models_app import evil_hub as evil
from tests.models_app.evil_hub import EvilHub

pytestmark = pytest.mark.django_db

NAME = "owls/Night-1B-GGUF"
PAGE = f"/models/discover/{NAME}/"
HTMX = {"HX-Request": "true"}
GB = 10**9
WORDS = array_pair("tokenizer.ggml.tokens", STRING, 5000, text("word" * 25) * 5000)
# Of the LLAMA header: 2 layers of 4 heads, which keep 8 + 8 numbers of two bytes.
BYTES_A_TOKEN = 2 * 4 * 16 * 2


def model(**facts: Any) -> bytes:
    return File(pairs=(*LLAMA, WORDS), **facts).content()


@pytest.fixture
def hub(settings: Any, folder: Any) -> Iterator[EvilHub]:
    cache.clear()
    settings.MODELS_DIR = folder
    with evil.evil_hub() as hub:
        settings.HUB_ENDPOINT = hub.address
        files = {"night-Q4_K_M.gguf": model(), "night-Q8_0.gguf": model() + bytes(1000)}
        hub.add(NAME, files, gguf={"total": 10**9, "context_length": 131072})
        yield hub


def shown(hub: EvilHub) -> Repository:
    return Hub(hub.address).repository(NAME)


def read(hub: EvilHub) -> Any:
    return read_headers(Hub(hub.address), shown(hub))


def num_file_requests(hub: EvilHub) -> int:
    return sum(path.startswith("/cdn/") for _, path, _ in hub.requests)


def text_of(client: Client, path: str, **options: Any) -> str:
    return html.unescape(client.get(path, **options).content.decode())


# -- reading ---------------------------------------------------------------------------------------


def test_the_header_of_a_family_is_read_once_and_kept(hub):
    first = read(hub)
    num_requests = num_file_requests(hub)

    assert first["night"].num_kv_values == 8 * 16
    assert first["night"].vocabulary_size == 5000
    assert read(hub) == first == known_headers(shown(hub))
    assert num_file_requests(hub) == num_requests == 1
    assert RemoteHeader.objects.count() == 1


def test_only_as_much_is_asked_for_as_a_header_may_take(hub):
    hub.made[NAME].files = {"night-Q4_K_M.gguf": model() + bytes(40 * 2**20)}
    hub.always = evil.slow(0.001)

    read(hub)

    assert hub.requests[-1][2]["Range"] == f"bytes=0-{headers.MOST_BYTES - 1}"
    assert hub.bytes_sent < 12 * 2**20


def test_another_commit_is_read_again_and_the_old_one_forgotten(hub, monkeypatch):
    read(hub)
    monkeypatch.setattr(evil, "REVISION", "f" * 40)

    assert known_headers(shown(hub)) == {}
    read(hub)

    assert RemoteHeader.objects.get().revision == "f" * 40


def test_a_header_that_another_version_wrote_is_read_again(hub):
    read(hub)
    RemoteHeader.objects.update(facts='{"architecture": "llama"}')

    assert known_headers(shown(hub)) == {}
    assert read(hub)["night"].num_kv_values == 8 * 16


@pytest.mark.parametrize("fault", [evil.whole_instead_of_a_range, evil.slow(0.0001, piece=999)])
def test_a_hub_that_answers_otherwise_but_truly_is_read(hub, fault):
    hub.always = fault

    assert read(hub)["night"].num_kv_values == 8 * 16


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (evil.gone, "no such"),
        (evil.broken, "busy or broken"),
        (evil.cut(1000), "connection"),
        (evil.packed, "packed"),
        (evil.no_range, "which part"),
        (evil.other_total, "another size"),
        (evil.other_bytes, "does not say what it should"),
    ],
)
def test_a_hub_that_misbehaves_ends_in_a_sentence_and_nothing_is_kept(hub, fault, words):
    hub.always = fault

    with pytest.raises(Unread, match=words):
        read(hub)

    assert not RemoteHeader.objects.exists()


def test_a_header_longer_than_any_is_left(hub, monkeypatch):
    monkeypatch.setattr(headers, "MOST_BYTES", 100_000)

    with pytest.raises(Unread, match="does not say"):
        read(hub)


def test_a_hub_that_is_too_slow_is_left(hub, monkeypatch):
    monkeypatch.setattr(files, "PAGE_SECONDS", -1.0)
    hub.always = evil.slow(0.001, piece=1000)

    with pytest.raises(Unread, match="too slow"):
        read(hub)


def test_offline_nothing_is_asked(hub):
    with pytest.raises(Unread, match="offline"):
        read_headers(Hub(hub.address, is_offline=True), shown(hub))


def test_a_gated_file_says_so(hub):
    hub.made[NAME].gated = True

    with pytest.raises(Unread, match="accepted its terms"):
        read(hub)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("night-Q4_K_M.gguf", "night"),
        ("Night-UD-IQ1_S.gguf", "night"),
        ("BF16/night-BF16-00001-of-00002.gguf", "night"),
        ("night.gguf", "night"),
        ("night-8b-q8_0.gguf", "night-8b"),
    ],
)
def test_files_that_differ_in_their_quantisation_are_a_family(name, family):
    assert family_of(Variant("x", (HubFile(name, 1, ""),))) == family


@pytest.mark.parametrize(
    ("gpu", "label"),
    [
        (0, "Runs on the CPU"),
        (1 * GB, "Partly in the GPU: 1 of 3 layers"),
        (2 * GB, "Partly in the GPU: 2 of 3 layers"),
        (9 * GB, "Fits in the GPU"),
    ],
)
def test_how_much_of_it_a_gpu_takes_is_told_in_layers(hub, gpu, label):
    room = Room(16 * GB, gpu=gpu)
    header = read(hub)["night"]

    fit = fit_of_header(
        header, weights=2 * GB, context=2048, kv_cache_type="f16", projector=GB // 2, room=room
    )

    assert fit.label == label
    assert fit.memory.total > 2.5 * GB


# -- the page --------------------------------------------------------------------------------------


def test_the_page_guesses_first_says_so_and_asks_for_the_numbers(hub, staff):
    page = text_of(staff, PAGE)

    assert "guessed from the number of parameters" in page
    assert f'hx-get="{PAGE}variants?exact=1"' in page
    assert 'href="?exact=1&context=8192"' in page
    assert num_file_requests(hub) == 0


def kv_cache_shown(page: str) -> str:
    return page.partition("KV cache ")[2].partition(" for")[0].replace("\N{NO-BREAK SPACE}", " ")


def test_the_slider_tells_what_the_kv_cache_takes(hub, staff):
    read(hub)

    for context in (1024, 65536):
        page = text_of(staff, f"{PAGE}variants?context={context}", headers=HTMX)
        # The file was trained with 2,048 tokens, so no more are ever given to it.
        assert kv_cache_shown(page) == f"{min(context, 2048) * BYTES_A_TOKEN / 1000:.0f} kB"
    assert "those that the file itself gives" in page
    assert "<html" not in page


def test_without_javascript_the_page_does_the_same(hub, staff):
    page = text_of(staff, f"{PAGE}?exact=1&context=1024")

    assert kv_cache_shown(page) == f"{1024 * BYTES_A_TOKEN / 1000:.0f} kB"
    assert '<output for="fit-context">1,024</output>' in page


def test_each_step_of_the_slider_asks_the_hub_nothing(hub, staff):
    staff.get(PAGE)
    num_requests = len(hub.requests)

    for context in (1024, 2048, 4096):
        staff.get(f"{PAGE}variants?context={context}", headers=HTMX)

    assert len(hub.requests) == num_requests


@pytest.mark.parametrize("context", ["0", "-5", "x", "9" * 5000, "1e9", ""])
def test_a_context_that_makes_no_sense_is_one_that_does(hub, staff, context):
    response = staff.get(f"{PAGE}variants", {"context": context}, headers=HTMX)

    assert response.status_code == 200


def test_what_could_not_be_read_is_said_and_not_tried_at_each_step(hub, staff):
    hub.always = evil.gone
    page = text_of(staff, f"{PAGE}variants?exact=1&context=2048", headers=HTMX)
    num_requests = num_file_requests(hub)

    again = text_of(staff, f"{PAGE}variants?context=4096", headers=HTMX)

    for answer in (page, again):
        assert "could not be read" in answer
        assert 'hx-trigger="load"' not in answer
    assert num_file_requests(hub) == num_requests == 1


def test_the_projector_counts_if_it_is_wanted(hub, staff):
    hub.made[NAME].files["mmproj-night-F16.gguf"] = bytes(700_000)
    read(hub)
    question = f"{PAGE}variants?context=1024"

    with_it = text_of(staff, f"{question}&with_projector=on", headers=HTMX)
    without = text_of(staff, question, headers=HTMX)

    assert "+ projector 700" in with_it
    assert "projector" not in without.partition("</table>")[2]
    assert "+ projector" not in without
    assert "+ projector 700" in text_of(staff, PAGE)


def test_members_see_neither_table_nor_card(hub, member):
    for path in ("variants", "card"):
        assert member.get(PAGE + path).status_code == 403
        assert Client().get(PAGE + path).status_code == 302
    assert hub.requests == []


def test_a_page_of_many_variants_costs_no_more_queries(hub, staff):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            staff.get(PAGE)
        return len(captured)

    staff.get(PAGE)
    few = queries()
    hub.made[NAME].files |= {f"night{number}-Q4_0.gguf": b"x" * number for number in range(1, 60)}

    assert queries() == few
