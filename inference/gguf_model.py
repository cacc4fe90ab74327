"""Is this file a model that can be loaded? Its header, those of its further parts, and what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from inference.errors import ModelFileInvalid
from inference.gguf_header import GGUFHeader, read_header

MAX_PARTS = 1_000

PART_NAME = re.compile(r"(?P<prefix>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)

_ENCODERS = frozenset(
    (
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
        "gemma-embedding",
    )
)


def chats(header: GGUFHeader) -> bool:
    """Else all that it can is to make embeddings."""
    return header.architecture not in _ENCODERS


def read_model(path: Path) -> GGUFHeader:
    """The header of a whole model; parameters, tensors and size are sums over its parts.

    Called before a loader sees the file. Raises ModelFileInvalid, with these reasons in its facts:
    "truncated" (an end or a part is missing, perhaps not yet copied), "projector" (belongs to a
    model, is none itself), "part" (not the first part of a model), "gone".
    """
    header = read_header(path)
    if header.split is not None:
        header = _whole(path, header)
    _check_usable(header)
    return header


def part_paths(path: Path) -> list[Path]:
    """All files of the model whose first part is `path`; just `path` if its name says nothing."""
    match = PART_NAME.fullmatch(path.name)
    if match is None or int(match["count"]) > MAX_PARTS:
        return [path]
    count = int(match["count"])
    names = (f"{match['prefix']}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1))
    return [path.with_name(name) for name in names]


def _whole(path: Path, first: GGUFHeader) -> GGUFHeader:
    assert first.split is not None
    paths = part_paths(path)
    if first.split.index != 0:
        raise ModelFileInvalid(
            f"This is part {first.split.index + 1} of {first.split.count} of a model. "
            "The first part stands for all of them.",
            reason="part",
        )
    if len(paths) != first.split.count or paths[0] != path:
        raise ModelFileInvalid(
            f"This is the first of {first.split.count} parts, but it is renamed. "
            f"Its name has to end in “-00001-of-{first.split.count:05}.gguf”."
        )
    headers = [first, *(_part(part, index) for index, part in enumerate(paths[1:], start=1))]
    return _sum(headers)


def _part(path: Path, index: int) -> GGUFHeader:
    try:
        header = read_header(path)
    except ModelFileInvalid as error:
        missing = "is missing" if error.facts.get("reason") == "gone" else "cannot be used"
        raise ModelFileInvalid(
            f"Part {index + 1} of this model {missing}. {_explanation(error)}",
            reason="truncated" if error.facts.get("reason") in ("gone", "truncated") else "",
        ) from error
    if header.split is None or header.split.index != index:
        raise ModelFileInvalid(f"Part {index + 1} of this model belongs to another model.")
    return header


def _explanation(error: ModelFileInvalid) -> str:
    if error.facts.get("reason") == "gone":
        return "Put all parts into one folder."
    return str(error)


def _sum(headers: list[GGUFHeader]) -> GGUFHeader:
    num_tensors = sum(header.num_tensors for header in headers)
    expected = headers[0].split.num_tensors if headers[0].split else num_tensors
    if num_tensors != expected:
        raise ModelFileInvalid(
            f"The parts of this model hold {num_tensors:,} tensors instead of {expected:,}. "
            "They do not belong together."
        )
    return replace(
        headers[0],
        num_tensors=num_tensors,
        num_parameters=sum(header.num_parameters for header in headers),
        size=sum(header.size for header in headers),
    )


def _check_usable(header: GGUFHeader) -> None:
    if header.kind == "mmproj" or header.architecture == "clip":
        raise ModelFileInvalid(
            "This is a vision projector. It belongs to a model and cannot chat by itself.",
            reason="projector",
        )
    sentence = _why_not(header)
    if sentence:
        raise ModelFileInvalid(sentence)


def _why_not(header: GGUFHeader) -> str:
    if header.kind == "adapter":
        return "This is a LoRA adapter, not a whole model."
    if header.kind == "imatrix":
        return "This is an importance matrix for quantizing, not a model."
    if not header.architecture:
        return "This GGUF file does not say which architecture its model has."
    if header.architecture == "t5encoder":
        return "This is the encoder of a T5 model. It cannot chat, and embeddings of it are not supported."
    if not header.num_tensors:
        return "This GGUF file holds a vocabulary, but no weights."
    if not header.tokenizer_model or header.tokenizer_model == "no_vocab":
        return "This GGUF file has no tokenizer."
    if not header.context_length:
        return "This GGUF file does not say how long its context may be."
    return ""
