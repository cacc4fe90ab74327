"""MLX models in the catalog: one entry for a folder, or the reason why it is of no use."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from inference.hardware import mlx_install
from models_app import catalog, removal
from models_app.fit import Room, fit_of_file
from models_app.models import CatalogEntry
from tests.made_folders import write_random_folder, write_scripted_folder
from tests.made_models import write_scripted_model

pytestmark = pytest.mark.django_db
WITH, WITHOUT = Path("/with/bin/python"), Path("/without/bin/python")


@pytest.fixture(autouse=True)
def with_mlx(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Whether it is there is asked of an interpreter; what is in a folder is not."""
    monkeypatch.setattr(
        mlx_install, "mlx_version", lambda python: "0.32.2" if python == WITH else ""
    )
    use(settings, WITH)


def use(settings: Any, python: Path) -> None:
    settings.CONFIGURATION = SimpleNamespace(
        mlx_python=python, memory_record=settings.CONFIGURATION.memory_record
    )


def scanned() -> CatalogEntry:
    catalog.scan()
    return CatalogEntry.objects.get()


def test_a_folder_is_listed_as_one_model_with_what_its_files_say(folder):
    path = write_scripted_folder(folder / "owls" / "Owl-0.1B-4bit", "Hoo.", bits=4)

    entry = scanned()

    assert (entry.name, entry.format, entry.architecture) == ("Owl-0.1B-4bit", "MLX", "llama")
    assert (entry.quantization, entry.context_length) == ("4-bit", 2048)
    assert entry.size == sum(file.stat().st_size for file in path.iterdir())
    assert entry.has_chat_template
    assert entry.is_for_chat


def test_parameters_are_counted_the_same_packed_or_not(folder, tmp_path):
    write_random_folder(folder / "packed", bits=4, seed=3)
    packed = scanned().num_parameters
    shutil.rmtree(folder / "packed")
    write_random_folder(folder / "plain", seed=3)
    catalog.scan()

    plain = CatalogEntry.objects.present().get()
    assert plain.num_parameters == packed > 0
    assert plain.quantization == "F16"


def test_a_folder_of_the_hubs_cache_has_the_name_of_its_repository(folder):
    write_random_folder(folder / "models--owls--Night-1B" / "snapshots" / ("0123456789abcdef" * 2))

    assert scanned().name == "Night-1B"


def test_a_gguf_file_beside_a_folder_is_a_model_of_its_own(folder):
    write_random_folder(folder / "both")
    write_scripted_model(folder / "both" / "small.gguf", "Yes.")

    catalog.scan()

    formats = sorted(str(entry.format) for entry in CatalogEntry.objects.present())
    assert formats == ["GGUF", "MLX"]


def test_where_mlx_is_not_set_up_the_reason_is_told_until_it_is(folder, settings):
    write_random_folder(folder / "waiting")
    use(settings, WITHOUT)
    assert "make mlx" in scanned().problem
    assert catalog.default_entry() is None

    use(settings, WITH)

    assert scanned().is_usable
    use(settings, WITHOUT)
    assert "make mlx" in scanned().problem


def changed(path: Path, **values: object) -> None:
    config = json.loads((path / "config.json").read_text()) | values
    (path / "config.json").write_text(json.dumps(config))


def cut(path: Path) -> None:
    whole = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(whole[:-1000])


def with_index(path: Path) -> None:
    names = {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def with_pickle(path: Path) -> None:
    (path / "model.safetensors").rename(path / "pytorch_model.bin")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "config.json is not valid JSON": lambda path: (path / "config.json").write_text("{"),
    "config.json is not what": lambda path: (path / "config.json").write_text("[]"),
    "does not say which architecture": lambda path: changed(path, model_type=None),
    "how long its context": lambda path: changed(path, max_position_embeddings=None),
    "needs a program of its own": lambda path: changed(path, model_file="model.py"),
    "a program of its own to be run": lambda path: changed(path, auto_map={"AutoModel": "a.B"}),
    "numbers are kept of each token. It is damaged": lambda path: changed(
        path, num_hidden_layers=4096, num_key_value_heads=2**20, head_dim=2**20
    ),
    "no tokenizer.json": lambda path: (path / "tokenizer.json").unlink(),
    "model.safetensors ends early": cut,
    "model-00002-of-00002.safetensors is missing": with_index,
    "runs whatever program is in it": with_pickle,
    "not a safetensors file": lambda path: (path / "model.safetensors").write_bytes(
        (20).to_bytes(8, "little") + b'{"a": {"dtype": 1}} ' + b"x" * 100
    ),
    "must be called model.safetensors": lambda path: (path / "model.safetensors").rename(
        path / "weights.safetensors"
    ),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_a_folder_that_cannot_be_used_is_listed_with_the_reason(folder, words):
    path = write_random_folder(folder / "broken")
    DAMAGES[words](path)

    entry = scanned()

    assert words in entry.problem
    assert not entry.is_usable


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b'{"a": {"dtype": "F32", "shape": [9999999999999], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "x": ' + b"{" * 9,
    ],
)
def test_a_hostile_header_is_refused_at_once(folder, header):
    path = write_random_folder(folder / "hostile")
    content = len(header).to_bytes(8, "little") + header + b"1234"
    (path / "model.safetensors").write_bytes(content)

    assert "damaged" in scanned().problem


def test_a_folder_is_deleted_and_comes_back_whole_and_takes_nothing_along(folder, settings):
    settings.MODELS_DIR, settings.TRASH_DIR = folder, folder / ".trash"
    path = write_random_folder(folder / "owls" / "small")
    write_scripted_model(path / "beside.gguf", "Yes.")
    catalog.scan()
    entry = next(one for one in CatalogEntry.objects.present() if one.format == "MLX")
    before = sorted(one.name for one in path.iterdir())
    regained = removal.regained_bytes(entry)

    removal._move(entry, folder, folder / ".trash" / str(entry.pk))
    left = [one.name for one in path.iterdir()]
    removal._move(entry, folder / ".trash" / str(entry.pk), folder)

    assert regained == entry.size - (path / "beside.gguf").stat().st_size
    assert left == ["beside.gguf"]
    assert sorted(one.name for one in path.iterdir()) == before


def test_memory_is_estimated_from_weights_and_what_is_kept_of_a_token(folder):
    path = write_random_folder(folder / "small", layers=2, width=64)

    fit = fit_of_file(
        str(path), context=1000, kv_cache_type="q4_0", batch_tokens=512, room=Room(10**12)
    )

    assert fit.memory.weights == (path / "model.safetensors").stat().st_size
    assert fit.memory.kv_cache == 1000 * 2 * 2 * 64 * 2  # keys and values, layers, width, 16 bits
