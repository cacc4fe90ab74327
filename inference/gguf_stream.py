"""A model file read once from front to back, in pieces, never past its end or a fixed limit.

Knows numbers and strings of GGUF, not what they mean. Nothing it does allocates more than one piece
plus what the caller asks for, whatever the lengths in the file claim.
"""

from __future__ import annotations

import io
import os
import stat
import struct
from pathlib import Path
from typing import Protocol

from inference.errors import ModelFileInvalid

PIECE = 256 * 1024
MAX_HEADER_BYTES = 256 * 1024 * 1024  # the largest vocabularies need about 20 MiB
MAX_FILE_BYTES = 2**50

_u64 = struct.Struct("<Q").unpack_from


class Readable(Protocol):
    """What it is read from: a file, or the beginning of one."""

    def seek(self, position: int, /) -> int: ...

    def read(self, length: int, /) -> bytes | None: ...


class GGUFStream:
    """Raises ModelFileInvalid (facts: reason "truncated") where the file ends too early."""

    def __init__(self, file: Readable, *, size: int) -> None:
        self.size = size
        self._file = file
        self._piece = b""
        self._piece_start = 0
        self._at = 0

    @property
    def position(self) -> int:
        return self._piece_start + self._at

    def expect(self, length: int) -> None:
        """Raises if the file ends before `length` more bytes of header, or no header is so long."""
        if length > self.size - self.position:
            raise truncated(size=self.size)
        if self.position + length > MAX_HEADER_BYTES:
            raise _header_too_long()

    def peek(self, length: int) -> bytes:
        """Up to `length` bytes from here on, fewer at the end of the file; moves nothing."""
        if len(self._piece) - self._at < length:
            self._read_piece(max(length, PIECE))
        return self._piece[self._at : self._at + length]

    def take(self, length: int) -> bytes:
        self.expect(length)
        taken = self.peek(length)
        if len(taken) < length:  # it shrank while it was read
            raise truncated(size=self.position + len(taken))
        self._at += length
        return taken

    def skip(self, length: int) -> None:
        self.expect(length)
        if self._at + length > len(self._piece):
            self._piece_start, self._at, self._piece = self.position + length, 0, b""
        else:
            self._at += length

    def number(self, form: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def u32(self) -> int:
        return int(self.number("<I"))

    def u64(self) -> int:
        return int(self.number("<Q"))

    def skip_strings(self, count: int) -> None:
        """Past `count` strings; a vocabulary has some hundred thousand."""
        while count:
            count -= self._skip_strings_in_piece(count)
            if count:
                self.skip(self.u64())
                count -= 1

    def _skip_strings_in_piece(self, count: int) -> int:
        piece, at, end = self._piece, self._at, len(self._piece)
        done = 0
        while done < count and at + 8 <= end:
            after = at + 8 + _u64(piece, at)[0]
            if after > end:
                break
            at = after
            done += 1
        if self._piece_start + at > MAX_HEADER_BYTES:
            raise _header_too_long()
        self._at = at
        return done

    def _read_piece(self, length: int) -> None:
        start = self.position
        self._file.seek(start)
        self._piece_start, self._at = start, 0
        self._piece = self._file.read(length) or b""


def open_regular(path: Path) -> io.FileIO:
    """The file opened unbuffered; raises OSError, or ModelFileInvalid if it is not a plain file.

    A named pipe neither blocks the caller nor is read.
    """
    _check_regular(os.stat(path))
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    file = io.FileIO(descriptor, "rb")
    try:
        _check_regular(os.fstat(descriptor))
    except ModelFileInvalid:
        file.close()
        raise
    return file


def truncated(*, size: int, expected: int | None = None) -> ModelFileInvalid:
    if expected is None:
        sentence = f"This file is cut off inside its header, after {size:,} bytes."
    else:
        sentence = f"This file is cut off: {size:,} of {expected:,} bytes are here."
    message = f"{sentence} Copy or download it again."
    return ModelFileInvalid(message, reason="truncated", size=size, expected=expected or 0)


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ModelFileInvalid("This is a folder, not a GGUF model.")
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileInvalid("This is not a regular file.")


def _header_too_long() -> ModelFileInvalid:
    return ModelFileInvalid("This file's header is longer than any model's. The file is damaged.")
