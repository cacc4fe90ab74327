"""A model's own settings: what is refused, what is shown, and what they change."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from inference.types import Affected, LoadPlan, ModelSpec, SamplingParams
from models_app import catalog, loading, naming, preloading
from models_app.answering import Answering
from models_app.loading import LoadState
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


def state_of(entry: CatalogEntry) -> LoadState:
    return loading.status_of(entry, loading.service_status()).state


def save(client: Client, entry: CatalogEntry, **values: Any) -> Any:
    return client.post(url(entry), values)


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode())


def test_without_settings_all_is_as_the_server_and_the_file_say(entry, staff):
    assert entry.spec == ModelSpec(model_id=str(entry.pk), name="Owl", path=entry.path)
    assert Answering(entry.layers).sampling == SamplingParams()

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
    assert Answering(own.layers).sampling == SamplingParams(temperature=0.25, max_tokens=7)
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

    assert Answering(stored(entry).layers).sampling == SamplingParams()


def test_members_and_models_of_no_use_have_no_settings(entry, staff, member, folder):
    for name in ("settings", "estimate"):
        assert member.get(url(entry, name)).status_code == 403
    assert member.post(url(entry, "reset_settings")).status_code == 403
    (folder / "broken.gguf").write_bytes(b"nothing")
    catalog.scan()
    broken = CatalogEntry.objects.exclude(problem="").get()
    assert staff.get(url(broken)).status_code == 404


# -- loading, and what it does to others ----------------------------------------------------------

PANEL = {"HX-Request": "true", "HX-Target": "panel-body"}


@pytest.fixture
def other(folder: Path) -> CatalogEntry:
    write_random_model(folder / "fox.gguf", name="Fox", context_length=2048)
    catalog.scan()
    return CatalogEntry.objects.get(name="Fox")


def test_the_dialog_says_that_nobody_has_to_go(entry, staff):
    shown = text_of(staff.get(url(entry), headers=PANEL))

    assert shown.lstrip().startswith('<div id="panel-body"')
    assert "Nothing else has to leave the memory." in shown


def test_save_and_load_does_both(entry, staff):
    response = staff.post(url(entry), {"context_window": "512", "load": "yes"}, headers=PANEL)

    assert response.status_code == 204
    assert {"panel-close", "models-changed"} <= json.loads(response["HX-Trigger"]).keys()
    wait_for(lambda: "window of 512 tokens" in text_of(staff.get("/models/")), what="the window")
    assert "It is loaded like this already." in text_of(staff.get(url(entry), headers=PANEL))
    staff.post(url(entry, "unload"))


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (
            {"verdict": "fits", "users": (), "idle_seconds": 180.0},
            "Fox leaves the memory. Nobody has used it for 3 min.",
        ),
        ({"verdict": "waits"}, "It waits until Fox is done: ada is getting an answer."),
        ({"verdict": "never"}, "It needs 2 GB and 1 GB are free, so loading will be refused."),
    ],
)
def test_a_load_that_costs_somebody_something_is_shown_first(
    entry, other, staff, monkeypatch, plan, sentence
):
    ada = User.objects.get(username="ada")
    affected = Affected(
        model_id=str(other.pk),
        users=plan.get("users", (str(ada.pk),)),
        idle_seconds=plan.get("idle_seconds", 0.0),
    )
    told = LoadPlan(verdict=plan["verdict"], needed=2 * 10**9, free=10**9, models=(affected,))
    monkeypatch.setattr(loading, "foresee", lambda spec: told)

    response = staff.post(url(entry, "load"), headers={"HX-Request": "true"})

    assert response["HX-Retarget"] == "#panel-body"
    assert sentence in text_of(response).replace("\N{NO-BREAK SPACE}", " ")
    assert staff.post(url(entry, "load")).url == url(entry)
    assert state_of(entry) is LoadState.UNLOADED


def test_without_the_service_the_dialog_says_so(entry, staff, settings, tmp_path):
    settings.INFERENCE_SOCKET = tmp_path / "nobody"

    shown = text_of(staff.get(url(entry), headers=PANEL))
    response = staff.post(url(entry), {"load": "yes"}, headers=PANEL)

    assert "what would happen is not known" in shown
    assert "Saved, but not loaded." in response["HX-Trigger"]


def test_keeping_it_in_memory_holds_at_once(entry, staff):
    staff.post(url(entry, "load"))
    wait_for(lambda: "window of 2" in text_of(staff.get("/models/")), what="the model")

    response = staff.post(url(entry), {"is_pinned": "on"}, headers=PANEL)

    assert json.loads(response["HX-Trigger"])["toast"] == {"text": "Saved."}
    assert stored(entry).spec.is_pinned
    staff.post(url(entry, "unload"))


def test_a_compressed_cache_needs_flash_attention(entry, staff):
    response = save(staff, entry, kv_cache_type="q8_0", flash_attention="off")

    assert response.status_code == 422
    assert "needs flash attention" in text_of(response)


# -- names ----------------------------------------------------------------------------------------


def test_an_alias_is_another_name_of_one_model_only(entry, other, staff):
    assert save(staff, entry, aliases=" gpt-4o \n\ngpt-4o\nOwl").status_code == 302

    assert stored(entry).settings.aliases == "gpt-4o\nOwl"
    assert naming.named("GPT-4o") == entry
    for taken in ("gpt-4O", "owl", "owl.gguf"):
        response = save(staff, other, aliases=taken)
        assert response.status_code == 422
        assert f"“{taken}” is already the name of Owl." in text_of(response)


@pytest.mark.parametrize(
    ("aliases", "status"),
    [
        ("\n".join("abcdefgh"), 302),
        ("\n".join("abcdefghi"), 422),
        ("x" * 100, 302),
        ("x" * 101, 422),
        ("a\x00b", 422),
        ("a\u202eb", 422),
    ],
)
def test_aliases_have_bounds(entry, staff, aliases, status):
    assert save(staff, entry, aliases=aliases).status_code == status


def test_a_name_that_two_models_have_names_neither(entry, folder):
    write_random_model(folder / "owl2.gguf", name="Owl", context_length=2048)
    catalog.scan()

    assert naming.named("Owl") is None
    assert naming.named("owl.gguf") == entry
    assert naming.named(str(entry.pk)) == entry
    assert naming.named("nobody") is None


def test_one_model_answers_programs_that_name_none(entry, other, staff):
    catalog.set_default(entry)
    assert catalog.api_default_entry() == entry

    save(staff, other, is_api_default="on")
    assert catalog.api_default_entry() == other
    save(staff, entry, is_api_default="on")

    assert catalog.api_default_entry() == entry
    assert not stored(other).settings.is_api_default


# -- loaded at start ------------------------------------------------------------------------------


def test_a_model_is_loaded_before_anybody_asks_and_once_for_each_service(entry, staff, monkeypatch):
    monkeypatch.setattr(preloading, "_told", set())
    save(staff, entry, is_preloaded="on")

    preloading.preload()
    wait_for(lambda: state_of(entry) is LoadState.READY, what="the model")
    staff.post(url(entry, "unload"))
    wait_for(lambda: state_of(entry) is LoadState.UNLOADED, what="its end")
    preloading.preload()

    assert state_of(entry) is LoadState.UNLOADED
