"""The page of one model: what it says is so, and soon."""

from __future__ import annotations

import html
import os
import re
import signal
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inference.backends.capabilities import Feature
from inference.hardware.mlx_install import mlx_problem
from inference.types import ChatMessage, GenerationRequest, SamplingParams
from models_app import catalog, loading
from models_app.engine import inference_client
from models_app.models import CatalogEntry
from models_app.templatetags.quantities import roughly_ago
from tests.inference.gguf_files import LLAMA, File, string_pair
from tests.made_models import write_scripted_model
from tests.models_app.conftest import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service")]

HTMX = {"HX-Request": "true"}


@pytest.fixture
def entry(folder) -> CatalogEntry:
    write_scripted_model(folder / "owl.gguf", "The owl flies at night.", name="Owl")
    catalog.scan()
    return CatalogEntry.objects.get()


def shown(client: Client, entry: CatalogEntry) -> str:
    response = client.get(reverse("models:status", args=[entry.pk]), headers=HTMX)
    assert response.status_code == 200
    return html.unescape(response.content.decode()).replace("\N{NO-BREAK SPACE}", " ")


def fact(text: str, name: str) -> str:
    found = re.search(rf"<dt>{name}</dt><dd>(.*?)</dd>", text, re.DOTALL)
    assert found, name
    return found[1]


def become(entry: CatalogEntry, state: loading.LoadState) -> None:
    wait_for(
        lambda: loading.status_of(entry, loading.service_status()).state is state, what=str(state)
    )


def have_it_answer(entry: CatalogEntry) -> None:
    request = GenerationRequest(
        generation_id=uuid.uuid4().hex,
        model=entry.spec,
        messages=(ChatMessage("user", "Who flies?"),),
        sampling=SamplingParams(temperature=0),
    )

    async def answer() -> None:
        client = inference_client()
        await client.generate(request)
        async for _ in client.attach(request.generation_id):
            pass

    async_to_sync(answer)()


def test_nobody_but_staff_sees_it(entry, staff, member):
    for name in ("status", "benchmark"):
        assert member.get(reverse(f"models:{name}", args=[entry.pk])).status_code == 403
    assert member.get(reverse("models:now")).status_code == 403
    assert Client().get(reverse("models:status", args=[entry.pk])).status_code == 302


def test_an_unknown_model_and_a_deleted_one_are_not_found(entry, staff):
    assert staff.get(reverse("models:status", args=[uuid.uuid4()])).status_code == 404

    CatalogEntry.objects.update(removed_at="2026-01-01T00:00Z")

    assert staff.get(reverse("models:status", args=[entry.pk])).status_code == 404


def test_a_model_that_nobody_used_says_so(entry, staff):
    text = shown(staff, entry)

    assert 'data-state="unloaded"' in text
    assert fact(text, "Last used") == "never"
    assert fact(text, "Answers so far") == "0"
    assert "tokens/s" not in fact(text, "Tokens written")
    assert "Load</button>" in text


def row_of(client: Client) -> str:
    return client.get(reverse("models:list")).content.decode().partition("data-entry")[2]


def test_the_list_says_when_a_model_was_used_and_how_fast_it_was(entry, staff):
    assert "Used" not in row_of(staff)

    have_it_answer(entry)
    assert re.search(r"Used just now, [\d.,]+ tokens/s", row_of(staff))

    loading.unload(entry)
    become(entry, loading.LoadState.UNLOADED)
    assert re.search(r"Used just now, [\d.,]+ tokens/s", row_of(staff))


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0.5, "just now"),
        (1.5, "1 min ago"),
        (59.5, "59 min ago"),
        (61, "1 h ago"),
        (1439, "23 h ago"),
    ],
)
def test_when_it_was_used_is_said_in_words_that_hold_for_a_while(minutes, text):
    at = timezone.now() - timedelta(minutes=minutes)

    assert roughly_ago(at).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_days_old_use_is_a_date():
    assert roughly_ago(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02"


def test_what_each_engine_can_is_linked_from_a_model_and_is_the_table_of_the_docs(
    entry, staff, member
):
    have_it_answer(entry)
    assert reverse("models:engines") in shown(staff, entry)

    text = staff.get(reverse("models:engines")).content.decode()

    here = re.findall(r">On this machine</th>(.*?)</tr>", text, flags=re.DOTALL)[0]
    mlx = "Run “make mlx” in Minerva&#x27;s folder"
    told = ["Yes", mlx if mlx_problem(settings.CONFIGURATION.mlx_python) else "Yes"]
    assert re.findall(r'">(.*?)</td>', here) == [*told, "On its own machine"]
    docs = (Path(settings.BASE_DIR) / "docs" / "engines.md").read_text()
    for feature in Feature:
        marks = re.findall(
            rf">{re.escape(html.escape(feature))}</th>(.*?)</tr>", text, flags=re.DOTALL
        )
        said = [mark.lower() for mark in re.findall(r">(Yes|No)<", marks[0])]
        assert f"| {feature} | {' | '.join(said)} |" in docs
    assert member.get(reverse("models:engines")).status_code == 403


def test_what_it_did_is_counted_and_stays_when_it_is_unloaded(entry, staff):
    have_it_answer(entry)
    text = shown(staff, entry)

    assert 'data-state="ready"' in text
    assert "CPU: " in text
    assert "llama.cpp" in fact(text, "Engine")
    assert re.search(r"now|\d+ s ago", fact(text, "Loaded"))
    assert fact(text, "Answers so far") == "1"
    assert re.match(r"\d+, [\d.,]+ tokens/s", fact(text, "Tokens written"))

    loading.unload(entry)
    become(entry, loading.LoadState.UNLOADED)
    text = shown(staff, entry)

    assert fact(text, "Answers so far") == "1"
    assert "never" not in fact(text, "Last used")
    assert "<dt>Device</dt>" not in text


def test_a_killed_runner_is_told_with_its_cause_and_what_to_try(entry, staff):
    loading.load(entry)
    become(entry, loading.LoadState.READY)
    status = loading.status_of(entry, loading.service_status()).status
    assert status
    os.kill(status.runner_pid, signal.SIGKILL)
    become(entry, loading.LoadState.FAILED)

    text = shown(staff, entry)

    assert 'data-state="failed"' in text
    assert "Out of memory" in text
    assert "smaller quantisation" in text
    assert "One failure within the last minute" in text
    assert "Retry</button>" in text


def test_a_model_that_is_left_alone_says_until_when_and_is_tried_now_by_hand(folder, staff):
    File().write(folder / "hollow.gguf")
    catalog.scan()
    hollow = CatalogEntry.objects.get()
    loading.load(hollow)
    become(hollow, loading.LoadState.FAILED)

    before = failed_at(hollow)
    text = shown(staff, hollow)

    assert "It is left alone after one failure: no request starts it for another" in text
    assert "What its process printed" in text
    assert "Try now</button>" in text
    tried = staff.post(reverse("models:load", args=[hollow.pk]), headers=HTMX)
    assert tried.status_code == 200
    wait_for(lambda: failed_at(hollow) > before + 0.01, what="the next failure")
    loading.unload(hollow)


def failed_at(entry: CatalogEntry) -> float:
    """When it failed last; 0.0: not since somebody tried by hand."""
    details = async_to_sync(inference_client().details)(str(entry.pk))
    return max([one.at for one in details.status.breaker.failures], default=0.0)


def test_the_page_tells_what_the_file_says_of_itself(folder, staff):
    template = "{% if tools %}{{ tools }}{% endif %}<think>"
    pairs = (
        *LLAMA[:-1],
        string_pair("general.license", "apache-2.0"),
        string_pair("tokenizer.chat_template", template),
    )
    File(pairs=pairs).write(folder / "owl.gguf")
    catalog.scan()
    owl = CatalogEntry.objects.get()

    text = shown_whole(staff, owl)

    assert fact(text, "Licence") == "apache-2.0"
    assert fact(text, "Tokenizer").startswith("gpt2, ")
    assert owl.path in fact(text, "File")
    for capability in ("Chat", "Tools", "Reasoning"):
        assert re.search(rf"</svg>{capability}</li>", text)


def test_a_file_that_is_gone_says_nothing_of_itself(entry, staff):
    Path(entry.path).unlink()

    assert "<dt>Licence</dt>" not in shown_whole(staff, entry)


def shown_whole(client: Client, entry: CatalogEntry) -> str:
    response = client.get(reverse("models:status", args=[entry.pk]))
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_without_a_service_nothing_is_claimed(entry, staff, settings, tmp_path):
    settings.INFERENCE_SOCKET = tmp_path / "nobody"

    text = shown(staff, entry)

    assert "does not answer" in text
    assert "<dt>" not in text


def test_the_list_is_asked_for_again_only_when_a_row_changed(entry, staff):
    text = staff.get(reverse("models:list")).content.decode()
    found = re.search(r'hx-get="(/models/now\?seen=\w+)"', text)
    assert found

    assert "HX-Trigger" not in staff.get(found[1], headers=HTMX).headers
    loading.load(entry)
    become(entry, loading.LoadState.READY)
    answer = staff.get(found[1], headers=HTMX)

    assert "models-changed" in answer["HX-Trigger"]
    assert "Owl" in answer.content.decode()
    loading.unload(entry)
    become(entry, loading.LoadState.UNLOADED)


def test_the_badge_stands_in_the_list(entry, staff):
    loading.load(entry)
    become(entry, loading.LoadState.READY)

    assert '<li title="CPU">CPU</li>' in staff.get(reverse("models:list")).content.decode()
    loading.unload(entry)
