"""llama.cpp's samplers through ours: each setting does what its name says, and sees what it must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference.backends.candidates import Logits, all_tokens
from inference.backends.llama import sampler as sampler_module
from inference.backends.llama.sampler import LlamaSampler
from inference.backends.llama.vocabulary import Vocabulary
from inference.types import SamplingParams

FLAT = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "temperature": 1.0}


def steps(size: int, count: int = 40) -> list[Logits]:
    """Of a model that is unsure between some tokens, mostly the same ones."""
    generator = np.random.default_rng(7)
    base = generator.standard_normal(size).astype(np.float32) * 2
    return [base + generator.standard_normal(size).astype(np.float32) for _ in range(count)]


def chosen(vocabulary: Vocabulary, logits: list[Logits], **params: Any) -> list[int]:
    sampler = LlamaSampler(SamplingParams(**params), vocabulary)
    tokens = [sampler.choose(step) for step in logits]
    sampler.close()
    return tokens


SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "greedy": {"temperature": 0.0},
    "greedy, penalties": {"temperature": 0.0, "repeat_penalty": 1.3, "presence_penalty": 0.5},
    "greedy, rewards": {"temperature": 0.0, "presence_penalty": -2.0},
    "greedy, bias": {"temperature": 0.0, "logit_bias": ((5, 9.0), (7, 8.5))},
    "top_k": {"top_k": 3, "temperature": 2.0},
    "top_p": {"top_p": 0.5},
    "min_p": {"min_p": 0.3},
    "typical_p": {"typical_p": 0.5},
    "all filters off": FLAT,
    "dynamic temperature": {"dynatemp_range": 0.7},
    "penalties": {"repeat_penalty": 1.5, "frequency_penalty": 1.0, "presence_penalty": 1.0},
    "short penalties": {"presence_penalty": 2.0, "repeat_last_n": 3},
    "bias": {"logit_bias": ((3, 10.0), (20_200, 12.0), (20_201, -100.0))},
    "dry": {"dry_multiplier": 2.0},
    "xtc": {"xtc_probability": 1.0, "xtc_threshold": 0.05},
    "mirostat": {"mirostat": 1},
    "mirostat 2": {"mirostat": 2},
}


@pytest.mark.parametrize("params", SETTINGS.values(), ids=SETTINGS.keys())
def test_what_is_chosen_is_what_would_be_chosen_among_all(vocabulary, params, monkeypatch):
    logits = steps(vocabulary.size)
    found = chosen(vocabulary, logits, seed=3, **params)
    monkeypatch.setattr(sampler_module, "largest", lambda logits, count, also: all_tokens(logits))

    assert found == chosen(vocabulary, logits, seed=3, **params)


@pytest.mark.parametrize("params", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_seed_gives_the_same_tokens_again(vocabulary, params):
    logits = steps(vocabulary.size)

    assert chosen(vocabulary, logits, seed=1, **params) == chosen(
        vocabulary, logits, seed=1, **params
    )


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - {"defaults", "greedy", "dry"}))
def test_each_setting_changes_what_is_chosen(vocabulary, name):
    logits, params = steps(vocabulary.size), SETTINGS[name]
    without = {"temperature": params.get("temperature", 0.8)} if "greedy" in name else {}

    assert chosen(vocabulary, logits, seed=1, **params) != chosen(
        vocabulary, logits, seed=1, **without
    )


def test_greedy_takes_the_likeliest(vocabulary):
    logits = steps(vocabulary.size)

    assert chosen(vocabulary, logits, temperature=0.0) == [int(step.argmax()) for step in logits]


def test_other_seeds_give_other_tokens(vocabulary):
    logits = steps(vocabulary.size)

    assert chosen(vocabulary, logits, seed=1) != chosen(vocabulary, logits, seed=2)
    assert chosen(vocabulary, logits) != chosen(vocabulary, logits)


def test_a_bias_forces_a_token_and_forbids_one(vocabulary):
    logits = steps(vocabulary.size)
    likeliest = int(logits[0].argmax())

    assert set(chosen(vocabulary, logits, logit_bias=((4, 100.0),))) == {4}
    assert likeliest not in chosen(vocabulary, logits, logit_bias=((likeliest, -100.0),))


def test_dry_ends_what_repeats_itself(vocabulary):
    generator = np.random.default_rng(0)
    cycle = [generator.standard_normal(vocabulary.size).astype(np.float32) for _ in range(4)]
    for token, logits in enumerate(cycle, start=300):
        logits[token] = 6.0
    greedy = {"temperature": 0.0}

    assert chosen(vocabulary, cycle * 4, **greedy) == [300, 301, 302, 303] * 4
    tokens = chosen(vocabulary, cycle * 4, dry_multiplier=3.0, **greedy)
    assert tokens[:6] == [300, 301, 302, 303, 300, 301]
    assert tokens[6:] != [302, 303, 300, 301] * 2 + [302, 303]


def test_a_token_that_was_penalised_enough_does_not_come_again(vocabulary):
    tokens = chosen(
        vocabulary,
        steps(vocabulary.size),
        temperature=0.0,
        frequency_penalty=2.0,
        presence_penalty=2.0,
        repeat_penalty=10.0,
    )

    assert len(set(tokens)) > 30


def test_the_logits_of_the_model_stay_as_they_are(vocabulary):
    logits = steps(vocabulary.size, 1)
    before = logits[0].copy()

    chosen(vocabulary, logits, **FLAT, repeat_penalty=1.5, logit_bias=((1, 5.0),))

    assert (logits[0] == before).all()


def test_closing_twice_is_the_same_as_once(vocabulary):
    sampler = LlamaSampler(SamplingParams(), vocabulary)

    sampler.close()
    sampler.close()
