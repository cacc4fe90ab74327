"""What a safetensors file says of itself, read without a loader and without trusting it.

Eight bytes with the length of a JSON object, that object with the name, type, shape and place of each
tensor, and the numbers. Bounded in time and memory whatever the file holds.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.errors import ModelFileInvalid
from inference.gguf_stream import open_regular

MAX_HEADER_BYTES = 32 * 1024 * 1024
MAX_DIMENSIONS = 8
LENGTH_BYTES = 8
# In bits.
TYPES = {
    "F64": 64,
    "F32": 32,
    "F16": 16,
    "BF16": 16,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "I64": 64,
    "U64": 64,
    "I32": 32,
    "U32": 32,
    "I16": 16,
    "U16": 16,
    "I8": 8,
    "U8": 8,
    "BOOL": 8,
}


@dataclass(frozen=True)
class Tensor:
    """`kind`: a key of `TYPES`."""

    name: str
    kind: str
    num_elements: int


@dataclass(frozen=True)
class SafetensorsFile:
    """`size` in bytes."""

    tensors: tuple[Tensor, ...]
    size: int


def read_safetensors(path: Path) -> SafetensorsFile:
    """Raises ModelFileInvalid and nothing but that; `reason` "truncated" when the end is missing, "gone"
    when the file is."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            _check_length(length, size)
            header = file.read(length)
    except FileNotFoundError as error:
        raise ModelFileInvalid(f"{path.name} is no longer there.", reason="gone") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name is not valid"
        raise ModelFileInvalid(f"{path.name} could not be read: {why}.") from error
    except ModelFileInvalid as error:
        raise ModelFileInvalid(f"{path.name} {error}", **error.facts) from error
    return _parsed(path.name, header, size)


def _check_length(length: int, size: int) -> None:
    if size < LENGTH_BYTES or (length <= MAX_HEADER_BYTES and LENGTH_BYTES + length > size):
        raise ModelFileInvalid("ends early. Copy it again.", reason="truncated")
    if length > MAX_HEADER_BYTES:
        raise ModelFileInvalid("is not a safetensors file, or it is damaged.")


def _parsed(name: str, header: bytes, size: int) -> SafetensorsFile:
    damaged = ModelFileInvalid(f"{name} is not a safetensors file, or it is damaged.")
    try:
        content = json.loads(header)
        entries = [pair for pair in content.items() if pair[0] != "__metadata__"]
        tensors = tuple(_tensor(key, entry) for key, entry in entries)
        end = max((int(entry["data_offsets"][1]) for _, entry in entries), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise damaged from error
    expected = LENGTH_BYTES + len(header) + end
    if size < expected:
        raise ModelFileInvalid(
            f"{name} ends early: it has {size:,} of {expected:,} bytes. Copy it again.",
            reason="truncated",
            size=size,
            expected=expected,
        )
    if size > expected:
        raise damaged
    return SafetensorsFile(tensors, size)


def _tensor(name: str, entry: dict[str, Any]) -> Tensor:
    """Raises ValueError, KeyError or TypeError for what is none."""
    kind, shape, (start, end) = str(entry["dtype"]), entry["shape"], entry["data_offsets"]
    if len(shape) > MAX_DIMENSIONS or any(not isinstance(one, int) or one < 0 for one in shape):
        raise ValueError(name)
    num_elements = math.prod(shape)
    if not 0 <= start <= end or (end - start) * 8 != num_elements * TYPES[kind]:
        raise ValueError(name)
    return Tensor(name, kind, num_elements)
