"""How a model's makers want it sampled, taken from its file or from beside it."""

from __future__ import annotations

import json
import struct

import pytest

from models_app import catalog
from models_app.models import CatalogEntry
from tests.inference.gguf_files import LLAMA, File, pair

pytestmark = pytest.mark.django_db


def sampling() -> object:
    catalog.scan(reread=True)
    found = CatalogEntry.objects.get(is_guide=False)
    assert found.problem == ""
    return found.sampling


def test_a_gguf_file_says_it_itself(folder):
    float32, int32 = 6, 5
    pairs = (
        *LLAMA,
        pair("general.sampling.temp", float32, struct.pack("<f", 0.7)),
        pair("general.sampling.top_k", int32, struct.pack("<i", 20)),
        pair("general.sampling.top_p", float32, struct.pack("<f", 7)),
        pair("general.sampling.min_p", float32, struct.pack("<f", float("nan"))),
    )
    File(pairs=pairs).write(folder / "m.gguf")

    assert sampling() == {"temperature": 0.7, "top_k": 20}


def test_else_the_repositorys_own_file_is_asked(folder, write):
    write("owner/name/m.gguf")
    (folder / "owner" / "name" / "generation_config.json").write_text(
        json.dumps({"temperature": 0.6, "top_k": 20.5, "repetition_penalty": 1.05, "eos": [1]})
    )

    assert sampling() == {"temperature": 0.6, "repeat_penalty": 1.05}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "[1]",
        '{"do_sample": false, "temperature": 0.6}',
        '{"temperature": true, "top_p": "0.5", "min_p": null}',
        '{"temperature": 1e999, "top_k": -1}',
        '{"temperature": 0.6, "x": "' + "x" * 70_000 + '"}',
    ],
)
def test_what_is_of_no_use_is_passed_over(folder, write, text):
    write("m.gguf")
    (folder / "generation_config.json").write_text(text)

    assert sampling() == {}
