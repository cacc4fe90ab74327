"""The key/value pairs of a GGUF file: what is worth keeping, its type checked on the way out."""

from __future__ import annotations

import struct
import unicodedata

from inference.errors import ModelFileInvalid
from inference.gguf_stream import GGUFStream
from inference.gguf_types import ARRAY, NUMBERS, STRING

MAX_KEYS = 8_192
MAX_KEY_BYTES = 512
MAX_TEXT_BYTES = 64 * 1024
MAX_STRINGS = 4_000_000
MAX_KEPT_NUMBERS = 16_384  # of arrays with a number for each layer; others are passed over
MAX_COUNT = 2**31 - 1
SMALLEST_PAIR = 8 + 1 + 4 + 1
SMALLEST_STRING = 8

Number = int | float | bool
Value = Number | str | tuple[Number, ...]

_KEPT_TEXTS = frozenset(
    (
        "general.architecture",
        "general.type",
        "general.name",
        "general.basename",
        "general.license",
        "tokenizer.ggml.model",
        "tokenizer.chat_template",
    )
)


class Metadata:
    """Values by key. A kept text longer than 64 KiB is only known to be there (`too_long`)."""

    def __init__(self) -> None:
        self.too_long: set[str] = set()
        self._types: dict[str, int] = {}
        self._values: dict[str, Value] = {}
        self._lengths: dict[str, int] = {}
        self._num_strings = 0
        self._num_kept_numbers = 0

    @classmethod
    def read(cls, stream: GGUFStream, *, count: int) -> Metadata:
        if count > MAX_KEYS:
            raise ModelFileInvalid(
                f"This file claims to have {count:,} metadata keys. It is damaged."
            )
        stream.expect(count * SMALLEST_PAIR)
        metadata = cls()
        for _ in range(count):
            metadata._read_pair(stream)
        return metadata

    def __contains__(self, key: str) -> bool:
        return key in self._types

    def text(self, key: str) -> str:
        """As written, "" if absent or too long. Not fit for a page: see `one_line`."""
        if self._types.get(key, STRING) != STRING:
            raise _wrong_type(key, "text")
        return str(self._values.get(key, ""))

    def count(self, key: str, *, default: int = 0, maximum: int = MAX_COUNT) -> int:
        """A whole number from 0 to `maximum`."""
        if key not in self._types:
            return default
        return _checked_count(key, self._values.get(key, ""), maximum)

    def number(self, key: str) -> float | None:
        """None: absent, or no number."""
        value = self._values.get(key)
        if isinstance(value, float):
            return round(value, 6)  # of 32 bits: 0.7 is not 0.699999988
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def counts(self, key: str) -> tuple[int, ...]:
        """Numbers that are one for all layers or one for each; () if absent."""
        value = self._values.get(key, ())
        several = value if isinstance(value, tuple) else (value,)
        return tuple(_checked_count(key, one, MAX_COUNT) for one in several)

    def flags(self, key: str) -> tuple[bool, ...]:
        """One for each layer; () if absent, or if one number tells of all."""
        value = self._values.get(key, ())
        return tuple(bool(one) for one in value) if isinstance(value, tuple) else ()

    def length(self, key: str) -> int:
        """Entries of a list of texts, which itself is passed over; 0 if absent."""
        return self._lengths.get(key, 0)

    def has_type(self, key: str, value_type: int) -> bool:
        return self._types.get(key) == value_type

    def _read_pair(self, stream: GGUFStream) -> None:
        key = _read_key(stream)
        if key in self._types:
            raise ModelFileInvalid(f"This file is damaged: it has the key “{one_line(key)}” twice.")
        self._types[key] = value_type = stream.u32()
        if value_type in NUMBERS:
            self._values[key] = stream.number(NUMBERS[value_type])
        elif value_type == STRING:
            self._read_text(stream, key)
        elif value_type == ARRAY:
            self._read_array(stream, key)
        else:
            raise _unknown_type(key, value_type)

    def _read_text(self, stream: GGUFStream, key: str) -> None:
        length = stream.u64()
        if key not in _KEPT_TEXTS:
            stream.skip(length)
        elif length > MAX_TEXT_BYTES:
            self.too_long.add(key)
            stream.skip(length)
        else:
            self._values[key] = stream.take(length).decode("utf-8", errors="replace")

    def _read_array(self, stream: GGUFStream, key: str) -> None:
        item_type, length = stream.u32(), stream.u64()
        if item_type == STRING:
            self._skip_strings(stream, key, length)
        elif item_type in NUMBERS:
            self._read_numbers(stream, key, NUMBERS[item_type], length)
        else:  # among them arrays of arrays, which no loader takes
            raise _unknown_type(key, item_type)

    def _skip_strings(self, stream: GGUFStream, key: str, length: int) -> None:
        self._num_strings += length
        if self._num_strings > MAX_STRINGS:
            raise ModelFileInvalid(
                f"This file is damaged: “{one_line(key)}” claims to have {length:,} entries."
            )
        self._lengths[key] = length
        stream.expect(length * SMALLEST_STRING)
        stream.skip_strings(length)

    def _read_numbers(self, stream: GGUFStream, key: str, form: str, length: int) -> None:
        num_bytes = length * struct.calcsize(form)
        if self._num_kept_numbers + length > MAX_KEPT_NUMBERS:
            stream.skip(num_bytes)
            return
        self._num_kept_numbers += length
        numbers = struct.iter_unpack(form, stream.take(num_bytes))
        self._values[key] = tuple(number for (number,) in numbers)


def one_line(text: str, *, limit: int = 100) -> str:
    """`text` fit to be shown: no control, direction or line-break characters, at most `limit`."""
    printable = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
    return " ".join(printable.split())[:limit].rstrip()


def _read_key(stream: GGUFStream) -> str:
    length = stream.u64()
    if not 0 < length <= MAX_KEY_BYTES:
        raise ModelFileInvalid(f"This file is damaged: a metadata key is {length:,} bytes long.")
    return stream.take(length).decode("utf-8", errors="surrogateescape")


def _checked_count(key: str, value: Value, maximum: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(key, "a whole number")
    if not 0 <= value <= maximum:
        raise ModelFileInvalid(f"This file is damaged: “{one_line(key)}” cannot be {value:,}.")
    return value


def _wrong_type(key: str, expected: str) -> ModelFileInvalid:
    return ModelFileInvalid(f"This file is damaged: “{one_line(key)}” is not {expected}.")


def _unknown_type(key: str, value_type: int) -> ModelFileInvalid:
    return ModelFileInvalid(
        f"This file is damaged: “{one_line(key)}” has the unknown type {value_type:,}."
    )
