"""Names from outside that become paths: what is not safe on every system is refused."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

MAX_LENGTH = 255
MAX_DEPTH = 8
# Separators and marks of Windows, control characters, and what turns the direction of text.
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]')
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def is_safe_path(name: str) -> bool:
    """A relative path that stays below the folder it is put into, here and anywhere else."""
    parts = name.split("/")
    path = PurePosixPath(name)
    return (
        0 < len(name.encode("utf-8", "replace")) <= MAX_LENGTH
        and len(parts) <= MAX_DEPTH
        and not path.is_absolute()
        and not FORBIDDEN.search(name)
        and "%" not in name
        and all(_is_safe_part(part) for part in parts)
    )


def _is_safe_part(part: str) -> bool:
    return (
        part not in ("", ".", "..")
        and not part.startswith(".")
        and part == part.strip(" .")
        and not RESERVED.fullmatch(part)
        and part.isprintable()
    )
