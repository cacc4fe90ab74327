"""A model's own settings: what is refused, what is shown, and what they change."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from inference.types import ModelSpec, SamplingParams
from models_app import catalog
from models_app.models import CatalogEntry
from models_app.tuning import ModelSettings
from tests.made_models import write_random_model
from tests.models_app.conftest import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("service")]


@pytest.fixture
def entry(folder: Path) -> CatalogEntry:
    write_random_model(folder / "owl.gguf", name="Owl", context_length=2048)
    catalog.scan()
    return CatalogEntry.objects.get()


def url(entry: CatalogEntry, name: str = "settings") -> str:
    return reverse(f"models:{name}", args=[entry.pk])


def stored(entry: CatalogEntry) -> CatalogEntry:
    return CatalogEntry.objects.get(pk=entry.pk)


def save(client: Client, entry: CatalogEntry, **values: Any) -> Any:
    return client.post(url(entry), values)


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode())


def test_without_settings_all_is_as_the_server_and_the_file_say(entry, staff):
    assert entry.spec == ModelSpec(model_id=str(entry.pk), name="Owl", path=entry.path)
    assert entry.settings.sampling == SamplingParams()

    shown = text_of(staff.get(url(entry)))

    assert 'placeholder="2,048"' in shown
    assert 'placeholder="0.8"' in shown
    assert "As the server: f16" in shown


def test_what_is_saved_is_used_and_shown_again(entry, staff):
    values = {
        "context_window": "1024",
        "threads": "1",
        "max_sequences": "3",
        "kv_cache_type": "q8_0",
        "idle_unload_minutes": "5",
        "chat_template": "{{ messages[0].content }}",
        "system_prompt": "Be an owl.",
        "temperature": "0.25",
        "max_tokens": "7",
    }

    assert save(staff, entry, **values).status_code == 302

    own = stored(entry)
    assert own.spec == ModelSpec(
        model_id=str(entry.pk),
        name="Owl",
        path=entry.path,
        context_window=1024,
        threads=1,
        max_sequences=3,
        kv_cache_type="q8_0",
        idle_unload_seconds=300,
        chat_template="{{ messages[0].content }}",
    )
    assert own.settings.sampling == SamplingParams(temperature=0.25, max_tokens=7)
    shown = text_of(staff.get(url(entry)))
    assert 'value="1024"' in shown
    assert "Be an owl." in shown


def test_a_loaded_model_has_its_own_window(entry, staff):
    save(staff, entry, context_window="512")
    staff.post(url(entry, "load"))
    wait_for(lambda: "window of 512 tokens" in text_of(staff.get("/models/")), what="the window")

    response = staff.post(url(entry), {"context_window": "768"}, follow=True)

    assert "loaded anew for the next answer" in text_of(response)
    staff.post(url(entry, "unload"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("context_window", "255"),
        ("context_window", "-1"),
        ("context_window", "1048577"),
        ("context_window", "many"),
        ("gpu_layers", "-2"),
        ("threads", "513"),
        ("max_sequences", "0"),
        ("max_sequences", "65"),
        ("kv_cache_type", "f64"),
        ("idle_unload_minutes", "10081"),
        ("temperature", "nan"),
        ("temperature", "5.1"),
        ("temperature", "-0.1"),
        ("top_p", "1.1"),
        ("min_p", "inf"),
        ("top_k", "-1"),
        ("repeat_penalty", "0"),
        ("max_tokens", "0"),
        ("max_tokens", "9" * 400),
        ("system_prompt", "x" * 20_001),
        ("chat_template", "x" * 65_537),
    ],
)
def test_a_value_out_of_bounds_is_refused_and_kept_in_the_form(entry, staff, field, value):
    response = save(
        staff, entry, **{field: value, "top_p": "0.5"} if field != "top_p" else {field: value}
    )

    assert response.status_code == 422
    shown = text_of(response)
    assert "Nothing was saved yet" in shown
    assert value in shown or field == "kv_cache_type"
    assert not ModelSettings.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("context_window", "256"),
        ("context_window", "1048576"),
        ("temperature", "0"),
        ("top_k", "0"),
    ],
)
def test_values_at_their_bounds_are_taken(entry, staff, field, value):
    assert save(staff, entry, **{field: value}).status_code == 302


def test_the_estimate_follows_the_form_and_stands_mistakes(entry, staff):
    def cache(**values: str) -> str:
        shown = text_of(staff.get(url(entry, "estimate"), values))
        return shown.split("KV cache of ")[1].split("</li>")[0].replace("\N{NO-BREAK SPACE}", " ")

    # 2 layers, keys and values of 64 numbers each, two bytes a number
    assert cache(context_window="1024") == "1,024 tokens 524 kB"
    assert cache(context_window="1024", kv_cache_type="q8_0") == "1,024 tokens 279 kB"
    assert cache(context_window="9999999") == cache()
    assert cache(context_window="100000").startswith("2,048 tokens")


def test_reset_goes_back_to_the_servers(entry, staff):
    save(staff, entry, temperature="0.1")
    staff.post(url(entry, "reset_settings"))

    assert stored(entry).settings.sampling == SamplingParams()


def test_members_and_models_of_no_use_have_no_settings(entry, staff, member, folder):
    for name in ("settings", "estimate"):
        assert member.get(url(entry, name)).status_code == 403
    assert member.post(url(entry, "reset_settings")).status_code == 403
    (folder / "broken.gguf").write_bytes(b"nothing")
    catalog.scan()
    broken = CatalogEntry.objects.exclude(problem="").get()
    assert staff.get(url(broken)).status_code == 404
