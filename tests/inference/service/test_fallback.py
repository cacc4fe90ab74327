"""The fallback chain: what is tried, in which order, and what is said about it."""

from __future__ import annotations

import msgspec
import pytest

from inference.messages import LoadSettings
from inference.service.fallback import LoadChain, links, loads_alike, settings_of
from inference.types import ModelSpec

ALL = LoadSettings()


def tried(settings: LoadSettings, *, has_gpu_build: bool) -> list[tuple[int, bool]]:
    return [
        (link.gpu_layers, link.use_extra_bufts)
        for link in links(settings, has_gpu_build=has_gpu_build)
    ]


@pytest.mark.parametrize(
    ("gpu_layers", "has_gpu_build", "expected"),
    [
        (-1, True, [(-1, True), (16, True), (0, True), (0, False)]),
        (40, True, [(40, True), (20, True), (0, True), (0, False)]),
        (1, True, [(1, True), (0, True), (0, False)]),
        (0, True, [(0, True), (0, False)]),
        (-1, False, [(0, True), (0, False)]),
    ],
)
def test_links_are_tried_from_fast_to_safe(gpu_layers, has_gpu_build, expected):
    settings = msgspec.structs.replace(ALL, gpu_layers=gpu_layers)

    assert tried(settings, has_gpu_build=has_gpu_build) == expected


def test_other_settings_are_the_same_on_every_link():
    settings = LoadSettings(context_window=1234, max_sequences=3, threads=5)

    for link in links(settings, has_gpu_build=True):
        assert (link.context_window, link.max_sequences, link.threads) == (1234, 3, 5)


def test_the_first_link_needs_no_explanation():
    assert LoadChain(links(ALL, has_gpu_build=True)).explanation == ""


def test_the_link_it_ended_on_is_told_with_the_first_reason():
    chain = LoadChain(links(ALL, has_gpu_build=True))
    chain.move_on("The GPU's memory is full.")
    chain.move_on("Still full.")

    assert chain.explanation == (
        "Runs on the CPU. Not on the GPU with all layers: The GPU's memory is full."
    )
    assert chain.has_next()


def test_a_model_has_what_is_its_own_and_else_what_the_service_has():
    settings = LoadSettings(context_window=1000, threads=3, kv_cache_type="q8_0")
    spec = ModelSpec(model_id="m", name="m", path="p", context_window=0, gpu_layers=0)

    assert settings_of(spec, settings) == LoadSettings(
        context_window=0, threads=3, kv_cache_type="q8_0", gpu_layers=0
    )
    assert settings_of(ModelSpec(model_id="m", name="m", path="p"), settings) == settings


def test_only_what_changes_the_loaded_model_is_a_reason_to_load_it_again():
    spec = ModelSpec(model_id="m", name="m", path="p")

    assert loads_alike(spec, msgspec.structs.replace(spec, name="n", idle_unload_seconds=5))
    for own in (
        {"path": "q"},
        {"context_window": 5},
        {"gpu_layers": 1},
        {"threads": 1},
        {"max_sequences": 1},
        {"kv_cache_type": "q4_0"},
        {"chat_template": "x"},
    ):
        assert not loads_alike(spec, msgspec.structs.replace(spec, **own))
