"""The files of a repository, and which of them are one model."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Their loader runs whatever program such a file holds. (Some `.bin` files are none, but no model either.)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
PROGRAMS = (".py",)
# The label of a folder for MLX. No GGUF model has it; see `repository._label`.
FOLDER = "MLX"
BITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class HubFile:
    """`checksum`: "sha256:…", or "git-sha1:…" of what git calls a blob; "" if the hub gives none."""

    name: str
    size: int
    checksum: str

    @property
    def is_pickle(self) -> bool:
        return self.name.lower().endswith(PICKLES)

    @property
    def is_program(self) -> bool:
        return self.name.lower().endswith(PROGRAMS)


@dataclass(frozen=True)
class Variant:
    """One model of a repository: a file, the parts of a split one in their order, or what of a folder MLX
    needs."""

    label: str
    files: tuple[HubFile, ...]
    is_folder: bool = False

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def bits(self) -> int:
        """Of a weight, roughly; 0: the name does not tell."""
        found = BITS.search(self.label)
        return int(found[1]) if found else 0
