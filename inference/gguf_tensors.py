"""The tensor list of a GGUF file: shapes, types and offsets, checked against the file's size.

Only sums are kept. The rules are the loader's own: names under 64 bytes and unique, at most four
dimensions, rows of whole blocks, data one after the other on aligned offsets.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod

from inference.errors import ModelFileInvalid
from inference.gguf_metadata import one_line
from inference.gguf_stream import GGUFStream, truncated
from inference.gguf_types import TENSOR_TYPES, TensorType

MAX_TENSORS = 65_536
MAX_NAME_BYTES = 63
MAX_DIMENSIONS = 4
SMALLEST_INFO = 8 + 4 + 4 + 8
INT64_MAX = 2**63 - 1


@dataclass(frozen=True)
class TensorSummary:
    num_tensors: int
    num_parameters: int
    dominant_type: str


def check_num_tensors(count: int) -> None:
    """Before anything else is read: a wild count is the commonest sign of a damaged file."""
    if count > MAX_TENSORS:
        raise ModelFileInvalid(f"This file claims to have {count:,} tensors. It is damaged.")


def read_tensors(stream: GGUFStream, *, count: int, alignment: int) -> TensorSummary:
    """Raises ModelFileInvalid, with reason "truncated" if the data does not reach its end."""
    stream.expect(count * SMALLEST_INFO)
    reader = _TensorReader(stream, alignment)
    for _ in range(count):
        reader.read_one()
    reader.check_end()
    return reader.summary()


class _TensorReader:
    def __init__(self, stream: GGUFStream, alignment: int) -> None:
        self._stream = stream
        self._alignment = alignment
        self._names: set[bytes] = set()
        self._elements: Counter[str] = Counter()
        self._next_offset = 0
        self._end = 0

    def read_one(self) -> None:
        name = self._read_name()
        shape = self._read_shape(name)
        tensor_type = self._read_type(name, shape)
        num_elements = prod(shape)
        self._elements[tensor_type.name] += num_elements
        self._place(name, num_elements // tensor_type.block * tensor_type.block_bytes)

    def check_end(self) -> None:
        if not self._names:
            return
        expected = _padded(self._stream.position, self._alignment) + self._end
        if expected > self._stream.size:
            raise truncated(size=self._stream.size, expected=expected)

    def summary(self) -> TensorSummary:
        dominant = self._elements.most_common(1)
        return TensorSummary(
            num_tensors=len(self._names),
            num_parameters=self._elements.total(),
            dominant_type=dominant[0][0] if dominant else "",
        )

    def _read_name(self) -> bytes:
        length = self._stream.u64()
        if length > MAX_NAME_BYTES:
            raise _damaged(f"a tensor's name is {length:,} bytes long")
        name = self._stream.take(length)
        if name in self._names:
            raise _damaged(f"it has the tensor “{_shown(name)}” twice")
        self._names.add(name)
        return name

    def _read_shape(self, name: bytes) -> list[int]:
        num_dimensions = self._stream.u32()
        if num_dimensions > MAX_DIMENSIONS:
            raise _damaged(f"tensor “{_shown(name)}” has {num_dimensions:,} dimensions")
        shape = [self._stream.u64() for _ in range(num_dimensions)]
        # The product without zeros as well: the loader multiplies in 64 bits, in its own order.
        if prod(max(size, 1) for size in shape) > INT64_MAX:
            raise _damaged(f"tensor “{_shown(name)}” has an impossible shape")
        return shape

    def _read_type(self, name: bytes, shape: list[int]) -> TensorType:
        number = self._stream.u32()
        tensor_type = TENSOR_TYPES.get(number)
        if tensor_type is None:
            raise _damaged(f"tensor “{_shown(name)}” has the unknown type {number:,}")
        row = shape[0] if shape else 1
        if row % tensor_type.block:
            raise _damaged(f"the rows of tensor “{_shown(name)}” do not fit {tensor_type.name}")
        return tensor_type

    def _place(self, name: bytes, num_bytes: int) -> None:
        if self._stream.u64() != self._next_offset:
            raise _damaged(f"tensor “{_shown(name)}” is not where it should be")
        self._end = self._next_offset + num_bytes
        self._next_offset = _padded(self._end, self._alignment)
        if self._next_offset > INT64_MAX:
            raise _damaged(f"tensor “{_shown(name)}” has an impossible size")


def _padded(size: int, alignment: int) -> int:
    return (size + alignment - 1) // alignment * alignment


def _shown(name: bytes) -> str:
    return one_line(name.decode("utf-8", errors="replace"))


def _damaged(what: str) -> ModelFileInvalid:
    return ModelFileInvalid(f"This file is damaged: {what}.")
