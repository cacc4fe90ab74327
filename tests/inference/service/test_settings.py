"""The service's arguments become one frozen value, or a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.service.settings import ServiceSettings, parse_settings


def test_the_socket_alone_is_enough():
    assert parse_settings(["--socket", "/run/i.sock"]) == ServiceSettings(Path("/run/i.sock"))


def test_every_number_can_be_given():
    arguments = (
        "--socket s --context-window 1 --max-sequences 2 --threads 3 --gpu-layers -1 "
        "--prompt-cache-mib 7"
    )

    assert parse_settings([*arguments.split(), "--idle-unload-seconds", "0"]) == ServiceSettings(
        Path("s"),
        context_window=1,
        max_sequences=2,
        threads=3,
        gpu_layers=-1,
        prompt_cache_mib=7,
        idle_unload_seconds=0,
    )


def test_the_kv_cache_can_be_smaller():
    settings = parse_settings(["--socket", "s", "--kv-cache-type", "q8_0"])

    assert settings.kv_cache_type == "q8_0"


def test_system_prompts_can_be_kept_apart():
    settings = parse_settings(["--socket", "s", "--private-system-prompts"])

    assert not settings.share_system_prompts


def test_guessing_can_be_left_to_a_model_or_left_out():
    assert parse_settings(["--socket", "s"]).speculation
    assert not parse_settings(["--socket", "s", "--no-speculation"]).speculation
    assert parse_settings(["--socket", "s", "--draft-model", "/m"]).draft_model == "/m"


def test_a_number_out_of_bounds_is_refused_with_its_bound(capsys):
    with pytest.raises(SystemExit):
        parse_settings(["--socket", "s", "--max-sequences", "0"])

    assert "must be at least 1" in capsys.readouterr().err
