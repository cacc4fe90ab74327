"""Which files are models that can chat, and what is said of those that are not."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from inference.errors import ModelFileInvalid
from inference.gguf_model import chats, part_paths, read_model
from tests.inference.gguf_files import LLAMA, File, pair, string_pair, tensor
from tests.made_encoder import write_encoder


def refusal(path: Path) -> ModelFileInvalid:
    with pytest.raises(ModelFileInvalid) as caught:
        read_model(path)
    return caught.value


def part(index: int, count: int, *, num_tensors: int) -> File:
    """Only the first part of a split model says more than which part it is."""
    split = (
        pair("split.no", 2, struct.pack("<H", index)),
        pair("split.count", 2, struct.pack("<H", count)),
        pair("split.tensors.count", 5, struct.pack("<i", num_tensors)),
    )
    pairs = (*LLAMA, *split) if index == 0 else split
    return File(pairs=pairs, tensors=(tensor(f"t{index}", (32,)),), data=bytes(128))


def write_split(folder: Path, count: int = 3) -> list[Path]:
    return [
        part(index, count, num_tensors=count).write(folder / f"m-{index + 1:05}-of-{count:05}.gguf")
        for index in range(count)
    ]


def test_a_model_that_chats_is_its_header(tmp_path):
    assert read_model(File().write(tmp_path / "a.gguf")).architecture == "llama"


NOT_CHATTING = {
    "lora adapter": (File(pairs=(*LLAMA, string_pair("general.type", "adapter"))), "LoRA adapter"),
    "importance matrix": (
        File(pairs=(*LLAMA, string_pair("general.type", "imatrix"))),
        "importance matrix",
    ),
    "encoder of T5": (
        File(pairs=(string_pair("general.architecture", "t5encoder"), *LLAMA[1:])),
        "encoder of a T5",
    ),
    "vocabulary": (File(tensors=(), data=b""), "no weights"),
    "no architecture": (File(pairs=LLAMA[1:]), "which architecture"),
    "no tokenizer": (File(pairs=LLAMA[:7]), "no tokenizer"),
    "no context length": (File(pairs=(*LLAMA[:2], *LLAMA[3:])), "how long its context"),
}


def test_an_embedding_model_is_a_model_that_does_not_chat(tmp_path):
    assert not chats(read_model(write_encoder(tmp_path / "encoder.gguf")))
    assert chats(read_model(File().write(tmp_path / "a.gguf")))


@pytest.mark.parametrize("kind", NOT_CHATTING)
def test_a_file_that_is_no_chat_model_says_what_it_is(tmp_path, kind):
    file, words = NOT_CHATTING[kind]

    assert words in str(refusal(file.write(tmp_path / "a.gguf")))


@pytest.mark.parametrize(
    "pairs",
    [
        (string_pair("general.architecture", "clip"), *LLAMA[1:]),
        (*LLAMA, string_pair("general.type", "mmproj")),
    ],
)
def test_a_projector_is_told_apart(tmp_path, pairs):
    error = refusal(File(pairs=pairs).write(tmp_path / "a.gguf"))

    assert error.facts["reason"] == "projector"


def test_a_split_model_is_the_sum_of_its_parts(tmp_path):
    paths = write_split(tmp_path)

    header = read_model(paths[0])

    assert (header.num_tensors, header.num_parameters) == (3, 96)
    assert header.size == sum(path.stat().st_size for path in paths)
    assert part_paths(paths[0]) == paths


def test_a_missing_part_is_named_and_may_still_be_coming(tmp_path):
    paths = write_split(tmp_path)
    paths[1].unlink()

    error = refusal(paths[0])

    assert "Part 2 of this model is missing. Put all parts into one folder." in str(error)
    assert error.facts["reason"] == "truncated"


def test_a_part_that_is_cut_off_is_named(tmp_path):
    paths = write_split(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:-1])

    error = refusal(paths[0])

    assert str(error).startswith("Part 3 of this model cannot be used. This file is cut off")
    assert error.facts["reason"] == "truncated"


def test_a_part_of_another_model_is_not_taken(tmp_path):
    paths = write_split(tmp_path)
    File().write(paths[1])

    assert "Part 2 of this model belongs to another model" in str(refusal(paths[0]))


def test_parts_that_do_not_add_up_are_not_taken(tmp_path):
    paths = write_split(tmp_path)
    part(0, 3, num_tensors=99).write(paths[0])

    assert "hold 3 tensors instead of 99" in str(refusal(paths[0]))


def test_a_later_part_does_not_stand_for_the_model(tmp_path):
    assert refusal(write_split(tmp_path)[1]).facts["reason"] == "part"


def test_a_renamed_first_part_says_how_it_has_to_be_called(tmp_path):
    paths = write_split(tmp_path)
    renamed = paths[0].rename(tmp_path / "model.gguf")

    assert "“-00001-of-00003.gguf”" in str(refusal(renamed))


@pytest.mark.parametrize(
    "name", ["a.gguf", "a-00001-of-99999.gguf", "a-1-of-3.gguf", "-00001-of-00003.gguf"]
)
def test_a_name_without_sensible_parts_stands_for_itself(name):
    assert part_paths(Path("/m") / name) == [Path("/m") / name]
