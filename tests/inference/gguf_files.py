"""GGUF files built byte by byte, so that each byte can be wrong. No library is involved."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, BOOL = range(8)
STRING, ARRAY, UINT64, INT64, FLOAT64 = range(8, 13)
F32, F16, Q4_0, Q8_0, Q4_K = 0, 1, 2, 8, 12


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def pair(key: str | bytes, value_type: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", value_type) + value


def string_pair(key: str, value: str | bytes) -> bytes:
    return pair(key, STRING, text(value))


def u32_pair(key: str, value: int) -> bytes:
    return pair(key, UINT32, struct.pack("<I", value))


def array_pair(key: str, item_type: int, length: int, items: bytes) -> bytes:
    return pair(key, ARRAY, struct.pack("<IQ", item_type, length) + items)


def tensor(
    name: str | bytes, shape: Sequence[int], tensor_type: int = F32, offset: int = 0
) -> bytes:
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dimensions + struct.pack("<IQ", tensor_type, offset)


LLAMA = (
    string_pair("general.architecture", "llama"),
    string_pair("general.name", "Tiny"),
    u32_pair("llama.context_length", 2048),
    u32_pair("llama.block_count", 2),
    u32_pair("llama.embedding_length", 64),
    u32_pair("llama.attention.head_count", 8),
    u32_pair("llama.attention.head_count_kv", 4),
    string_pair("tokenizer.ggml.model", "gpt2"),
    string_pair("tokenizer.chat_template", "{{ messages }}"),
)


@dataclass
class File:
    """Counts default to what is there; `data` is what follows the padded header."""

    pairs: Sequence[bytes] = LLAMA
    tensors: Sequence[bytes] = (tensor("a", (8, 4)), tensor("b", (16,), offset=128))
    data: bytes = field(default=bytes(192))
    magic: bytes = b"GGUF"
    version: int = 3
    num_tensors: int | None = None
    num_pairs: int | None = None
    alignment: int = 32

    def content(self) -> bytes:
        num_tensors = len(self.tensors) if self.num_tensors is None else self.num_tensors
        num_pairs = len(self.pairs) if self.num_pairs is None else self.num_pairs
        start = self.magic + struct.pack("<IQQ", self.version, num_tensors, num_pairs)
        header = start + b"".join(self.pairs) + b"".join(self.tensors)
        return header + bytes(-len(header) % self.alignment) + self.data

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path
