"""The fallback chain: what is tried, in which order, and what is said about it."""

from __future__ import annotations

import msgspec
import pytest

from inference.messages import LoadSettings
from inference.service.fallback import LoadChain, links

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
