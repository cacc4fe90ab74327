"""What a GGUF file says of itself, read without a loader and without trusting it.

Bounded in time and memory whatever the file holds: it is read once from the front, vocabularies
are passed over, every count is compared with the file's size before anything is done with it.
Called by the catalog (web process) and by the runner before llama.cpp opens the file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from inference.errors import ModelFileInvalid
from inference.gguf_kv import num_kv_values
from inference.gguf_metadata import Metadata, one_line
from inference.gguf_stream import MAX_FILE_BYTES, GGUFStream, Readable, open_regular
from inference.gguf_tensors import TensorSummary, check_num_tensors, read_tensors
from inference.gguf_types import FILE_TYPE_GUESSED, FILE_TYPES, UINT32

MAGIC = b"GGUF"
DEFAULT_ALIGNMENT = 32
MAX_NAME = 200
SAMPLING_KEYS = {
    "temperature": "general.sampling.temp",
    "top_p": "general.sampling.top_p",
    "top_k": "general.sampling.top_k",
    "min_p": "general.sampling.min_p",
    "repeat_penalty": "general.sampling.penalty_repeat",
}


@dataclass(frozen=True)
class Split:
    """One part of a model in several files. `index` counts from 0; `num_tensors` of all parts."""

    index: int
    count: int
    num_tensors: int


@dataclass(frozen=True)
class GGUFHeader:
    """`kind` is general.type: "model", "adapter", "mmproj", "imatrix", … 0 and "": not said.

    `chat_template` is "" as well when it is longer than 64 KiB (`chat_template_too_long`).
    `num_kv_heads` is the largest of any layer. `num_kv_values`: numbers that all layers together keep
    of a token, see `gguf_kv`. `size` is the file's, in bytes. `sampling`: what its makers recommend, by
    the names of `SamplingParams`; not checked.
    """

    architecture: str
    kind: str
    name: str
    num_parameters: int
    num_tensors: int
    quantization: str
    context_length: int
    block_count: int
    embedding_length: int
    num_heads: int
    num_kv_heads: int
    num_kv_values: int
    vocabulary_size: int
    tokenizer_model: str
    chat_template: str
    chat_template_too_long: bool
    size: int
    split: Split | None
    sampling: dict[str, int | float]
    license: str = ""


def read_header(path: Path) -> GGUFHeader:
    """The header of one file. Raises ModelFileInvalid for anything else, and nothing but that.

    Facts of the error: `reason` "truncated" (with `size` and `expected`) when the end is missing.
    """
    try:
        with open_regular(path) as file:
            return parse_header(file, size=os.fstat(file.fileno()).st_size)
    except FileNotFoundError as error:
        raise ModelFileInvalid("The file is no longer there.", reason="gone") from error
    except PermissionError as error:
        raise ModelFileInvalid(
            "Minerva is not allowed to read this file. Change its permissions."
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not valid"
        raise ModelFileInvalid(f"This file could not be read: {reason}.") from error


def parse_header(file: Readable, *, size: int) -> GGUFHeader:
    """Of a file of `size` bytes, of which no more than its beginning has to be at hand. Raises
    ModelFileInvalid, and whatever `file` raises."""
    stream = GGUFStream(file, size=size)
    _check_start(stream)
    num_tensors, num_keys = stream.u64(), stream.u64()
    check_num_tensors(num_tensors)
    metadata = Metadata.read(stream, count=num_keys)
    tensors = read_tensors(stream, count=num_tensors, alignment=_alignment(metadata))
    return _header(metadata, tensors, stream.size)


def _header(metadata: Metadata, tensors: TensorSummary, size: int) -> GGUFHeader:
    architecture = one_line(metadata.text("general.architecture"), limit=64)
    heads = metadata.counts(f"{architecture}.attention.head_count")
    kv_heads = metadata.counts(f"{architecture}.attention.head_count_kv") or heads
    return GGUFHeader(
        architecture=architecture,
        kind=one_line(metadata.text("general.type"), limit=32) or "model",
        name=one_line(metadata.text("general.name"), limit=MAX_NAME),
        num_parameters=tensors.num_parameters,
        num_tensors=tensors.num_tensors,
        quantization=_quantization(metadata, tensors),
        context_length=metadata.count(f"{architecture}.context_length"),
        block_count=metadata.count(f"{architecture}.block_count"),
        embedding_length=metadata.count(f"{architecture}.embedding_length"),
        num_heads=max(heads, default=0),
        num_kv_heads=max(kv_heads, default=0),
        num_kv_values=num_kv_values(metadata, architecture),
        vocabulary_size=metadata.length("tokenizer.ggml.tokens"),
        tokenizer_model=one_line(metadata.text("tokenizer.ggml.model"), limit=64),
        chat_template=metadata.text("tokenizer.chat_template"),
        chat_template_too_long="tokenizer.chat_template" in metadata.too_long,
        size=size,
        split=_split(metadata),
        sampling=_sampling(metadata),
        license=one_line(metadata.text("general.license"), limit=200),
    )


def _sampling(metadata: Metadata) -> dict[str, int | float]:
    found = {name: metadata.number(key) for name, key in SAMPLING_KEYS.items()}
    return {name: value for name, value in found.items() if value is not None}


def _alignment(metadata: Metadata) -> int:
    key = "general.alignment"
    alignment = metadata.count(key, default=DEFAULT_ALIGNMENT)
    is_power_of_two = alignment > 0 and alignment & (alignment - 1) == 0
    if not is_power_of_two or (key in metadata and not metadata.has_type(key, UINT32)):
        raise ModelFileInvalid(f"This file is damaged: its alignment is {alignment:,}.")
    return alignment


def _quantization(metadata: Metadata, tensors: TensorSummary) -> str:
    key = "general.file_type"
    if key not in metadata:
        return tensors.dominant_type
    file_type = metadata.count(key) & ~FILE_TYPE_GUESSED
    return FILE_TYPES.get(file_type, tensors.dominant_type)


def _split(metadata: Metadata) -> Split | None:
    count = metadata.count("split.count", maximum=65_535)
    if count <= 1:
        return None
    split = Split(
        index=metadata.count("split.no", maximum=65_535),
        count=count,
        num_tensors=metadata.count("split.tensors.count"),
    )
    if split.index >= count:
        raise ModelFileInvalid(
            f"This file is damaged: it says it is part {split.index + 1} of {count}."
        )
    return split


def _check_start(stream: GGUFStream) -> None:
    if stream.size > MAX_FILE_BYTES:
        raise ModelFileInvalid("This file is larger than any model.")
    start = stream.peek(512)
    if start[:4] != MAGIC:
        raise _not_gguf(start)
    stream.skip(4)
    _check_version(stream.u32())


def _check_version(version: int) -> None:
    if version in (2, 3):
        return
    if version and version & 0xFFFF == 0:
        raise ModelFileInvalid(
            "This GGUF file is made for big-endian computers. Get the little-endian one."
        )
    if version == 1:
        raise ModelFileInvalid(
            "This GGUF file is of version 1, which is no longer supported. Get a newer one."
        )
    raise ModelFileInvalid(f"This GGUF file is of version {version:,}. Versions 2 and 3 work.")


def _not_gguf(start: bytes) -> ModelFileInvalid:
    if not start or MAGIC.startswith(start):
        return ModelFileInvalid("This file is empty.", reason="truncated", size=len(start))
    if not any(start):
        message = "This file begins with zeros. It is not written yet, or damaged."
        return ModelFileInvalid(message, reason="truncated")
    return ModelFileInvalid(_what_it_is(start))


def _what_it_is(start: bytes) -> str:
    if start[:4] in (b"ggml", b"fmgg", b"ggmf", b"tjgg", b"ggjt", b"algg", b"ggla", b"lmgg"):
        return "This is a model in the old GGML format. Get it as GGUF."
    if start.startswith(b"PK"):
        return "This is a ZIP archive or a PyTorch model, not a GGUF model."
    if start.startswith(b"version https://git-lfs"):
        return "This is a Git LFS pointer, not the model itself. Run “git lfs pull” in its folder."
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "This is a web page, not a GGUF model. Download the model again."
    if _is_text(start):
        return "This is a text file, not a GGUF model."
    return "This is not a GGUF model."


def _is_text(start: bytes) -> bool:
    # The piece may end inside a character, so up to three bytes of it may be missing.
    for cut in range(4):
        try:
            text = start[: len(start) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return all(one.isprintable() or one in "\t\r\n\f" for one in text)
    return False
