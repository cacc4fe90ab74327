"""A model that MLX runs, as a repository has it: what of its files is fetched, into a folder of its own, or why
it is not.

Taken are weights in safetensors, and what stands beside them as text: configuration, tokenizer, chat
template. No program and no pickle ever is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from inference.mlx_folder import CONFIG, MAX_FILES, TOKENIZER, WEIGHTS
from models_app.hub.hub_files import FOLDER, HubFile, Variant
from models_app.hub.names import is_safe_path

BESIDE = ("*.json", "*.jinja", "tokenizer.model", "*.tiktoken", "merges.txt", "vocab.txt")
PART = re.compile(r"model-\d{5}-of-(?P<count>\d{5})\.safetensors")
NO_PROGRAMS = "Minerva runs no program that comes with a model, so it does not fetch this one."


def place_of(repository: str, file: str) -> str:
    """Below `models/owner/name/`, where GGUF files of the same repository may lie, too."""
    return f"{repository.rpartition('/')[2]}/{file}"


def folder_of(repository: str, files: Sequence[HubFile]) -> Variant | None:
    """None: there is none, or it is refused; see `why_no_folder`."""
    if not weights_of(files) or why_no_folder(repository, files):
        return None
    weights = sorted(weights_of(files), key=lambda file: file.name)
    beside = sorted(_beside(files), key=lambda file: file.name)
    # What is small comes first, so that a download that is of no use ends soon.
    return Variant(FOLDER, (*beside, *weights), is_folder=True)


def why_no_folder(repository: str, files: Sequence[HubFile]) -> str:
    """What keeps MLX from running what is here; "" if nothing does."""
    names = {file.name for file in files}
    programs = sorted(file.name for file in files if file.is_program)
    if programs:
        return f"It brings a program of its own, {programs[0]}. {NO_PROGRAMS}"
    for needed in (CONFIG, TOKENIZER):
        if needed not in names:
            return f"It has no {needed}, which MLX needs."
    weights = weights_of(files)
    if not weights:
        return "Its weights are not called model.safetensors, which is what MLX loads."
    if len(weights) > MAX_FILES or not _is_whole(weights):
        return "Some of its files with weights are missing."
    return _why_not_named_so(repository, [*_beside(files), *weights])


def weights_of(files: Sequence[HubFile]) -> list[HubFile]:
    return [file for file in files if fnmatchcase(file.name, WEIGHTS) and "/" not in file.name]


def _beside(files: Sequence[HubFile]) -> list[HubFile]:
    return [file for file in files if "/" not in file.name and _is_beside(file.name)]


def _is_beside(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in BESIDE)


def _is_whole(weights: Sequence[HubFile]) -> bool:
    """All parts of the number that their names tell."""
    counts = [int(match["count"]) for file in weights if (match := PART.fullmatch(file.name))]
    return all(counts.count(count) == count for count in counts)


def _why_not_named_so(repository: str, files: Sequence[HubFile]) -> str:
    """Names that are not safe, or one on a disk that does not tell small letters from large ones."""
    places = [place_of(repository, file.name) for file in files]
    is_unsafe = not all(is_safe_path(place) for place in places)
    is_ambiguous = len({place.casefold() for place in places}) < len(places)
    if is_unsafe or is_ambiguous or repository.lower().endswith(".gguf"):
        return "Some of its files have names that cannot be used on every system."
    return ""
