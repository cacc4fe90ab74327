"""One repository of the hub: its facts, and what of it can be downloaded as one model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from inference.gguf_model import PART_NAME
from models_app.hub.folder import folder_of, why_no_folder
from models_app.hub.hub_files import FOLDER
from models_app.hub.hub_files import HubFile as HubFile
from models_app.hub.hub_files import Variant as Variant
from models_app.hub.names import is_safe_path

# As files name them: Q4_K_M, IQ3_XXS, UD-Q4_K_XL, BF16, MXFP4, …
QUANT = re.compile(
    r"(?:^|[-._])((?:UD-)?(?:I?Q[1-8](?:_[A-Z0-9]+)*|TQ[12]_0|BF16|F16|FP16|F32|FP32|MXFP4(?:_MOE)?))(?=[-._]|$)",
    re.IGNORECASE,
)
# Words of a name that tell how a model is kept, not which one it is.
OF_A_FORMAT = re.compile(
    r"(?i)mlx|gguf|awq|gptq|exl[23]|bnb|safetensors|[a-z]{0,5}\d{1,2}(\.\d+)?[-_]?bits?|int[48]|fp(4|8|16|32)|bf16|f16|dwq"
)


class Capability(StrEnum):
    CHAT = "chat"
    VISION = "vision"
    TOOLS = "tools"
    REASONING = "reasoning"
    EMBEDDINGS = "embeddings"


class Kind(StrEnum):
    GGUF = "gguf"
    MLX = "mlx"
    SAFETENSORS = "safetensors"
    PICKLE = "pickle"
    NONE = "none"


@dataclass(frozen=True)
class Repository:
    """`revision`: the commit that all of this is of. `num_parameters`, `context_length` 0: not said.
    `quantization` of an MLX model, "" where it is not."""

    name: str
    revision: str
    files: tuple[HubFile, ...]
    license: str = ""
    is_gated: bool = False
    is_private: bool = False
    architecture: str = ""
    num_parameters: int = 0
    quantization: str = ""
    context_length: int = 0
    capabilities: tuple[Capability, ...] = ()
    tags: tuple[str, ...] = ()
    downloads: int = 0
    likes: int = 0
    trending: float = 0
    created: str = ""
    modified: str = ""

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]

    @property
    def own_name(self) -> str:
        return self.name.partition("/")[2]

    @property
    def kind(self) -> Kind:
        """What its models are kept as, the best of it that can be said."""
        if self.variants:
            return Kind.GGUF
        if self.weights:
            return Kind.MLX if "mlx" in self.tags else Kind.SAFETENSORS
        return Kind.PICKLE if self.has_pickles else Kind.NONE

    @property
    def weights(self) -> tuple[HubFile, ...]:
        """Of an MLX or safetensors model."""
        return tuple(file for file in self.files if file.name.lower().endswith(".safetensors"))

    @property
    def weights_size(self) -> int:
        return sum(file.size for file in self.weights)

    @property
    def has_pickles(self) -> bool:
        return any(file.is_pickle for file in self.files)

    @property
    def folder(self) -> Variant | None:
        """What MLX runs of it. None: nothing; `why_no_folder` says why."""
        return folder_of(self.name, self.files)

    @property
    def why_no_folder(self) -> str:
        return why_no_folder(self.name, self.files)

    @property
    def refused(self) -> tuple[HubFile, ...]:
        """What is fetched in no case: opening or running it can do anything."""
        return tuple(file for file in self.files if file.is_pickle or file.is_program)

    @property
    def models(self) -> tuple[Variant, ...]:
        """All that can be downloaded, for whichever engine."""
        return (*self.variants, *([self.folder] if self.folder else []))

    @property
    def plain_name(self) -> str:
        """To search for the same model in another format."""
        words = re.split(r"[-_ ]", self.name.rpartition("/")[2])
        return " ".join(one for one in words if not OF_A_FORMAT.fullmatch(one))

    @property
    def variants(self) -> tuple[Variant, ...]:
        """GGUF models, the smallest first. Files with unsafe names, and split ones that lack a part,
        are not among them."""
        groups: dict[str, list[HubFile]] = {}
        for file in self.files:
            if _is_model_file(file):
                groups.setdefault(_first_part(file.name), []).append(file)
        whole = [
            Variant(_label(first), tuple(sorted(files, key=lambda file: file.name)))
            for first, files in groups.items()
            if len(files) == _num_parts(first)
        ]
        return tuple(sorted(_told_apart(whole), key=lambda variant: variant.size))

    @property
    def projectors(self) -> tuple[HubFile, ...]:
        """What a model that sees needs besides."""
        return tuple(file for file in self.files if _is_gguf(file) and is_projector(file))

    def variant(self, label: str) -> Variant | None:
        """By its label, in any case of letters."""
        wanted = label.casefold()
        return next((one for one in self.models if one.label.casefold() == wanted), None)

    def named(self, label: str, file: str) -> Variant | None:
        """What somebody named, by its label or by one of its files."""
        by_file = (one for one in self.variants if file in [part.name for part in one.files])
        return self.variant(label) if label else next(by_file, None)


def _is_gguf(file: HubFile) -> bool:
    return file.name.lower().endswith(".gguf") and is_safe_path(file.name)


def is_projector(file: HubFile) -> bool:
    """By its name, which llama.cpp's tools give it."""
    return "mmproj" in PurePosixPath(file.name).name.lower()


def _is_model_file(file: HubFile) -> bool:
    name = PurePosixPath(file.name).name.lower()
    return _is_gguf(file) and not is_projector(file) and "imatrix" not in name


def _first_part(name: str) -> str:
    path = PurePosixPath(name)
    match = PART_NAME.fullmatch(path.name)
    if match is None:
        return name
    return str(path.with_name(f"{match['prefix']}-00001-of-{match['count']}.gguf"))


def _num_parts(first: str) -> int:
    match = PART_NAME.fullmatch(PurePosixPath(first).name)
    return int(match["count"]) if match else 1


def _label(first: str) -> str:
    """The quantisation that the file's name ends with, or its folder's; else the name itself."""
    path = PurePosixPath(first)
    match = PART_NAME.fullmatch(path.name)
    stem = match["prefix"] if match else path.stem
    for name in (stem, *reversed(path.parts[:-1])):
        if found := QUANT.findall(name):
            return str(found[-1]).upper()
    return stem if stem.casefold() != FOLDER.casefold() else path.name


def _told_apart(variants: Iterable[Variant]) -> list[Variant]:
    """Two of one quantisation go by the names of their files."""
    variants = list(variants)
    labels = [variant.label for variant in variants]
    return [
        variant
        if labels.count(variant.label) == 1
        else Variant(PurePosixPath(variant.files[0].name).stem, variant.files)
        for variant in variants
    ]
