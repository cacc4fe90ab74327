"""A `llama_batch` whose arrays are ours, filled through numpy: no Python loop over its tokens."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import llama_cpp
import numpy as np

from inference.backends.base import BatchEntry


class Batch:
    """Every token belongs to one sequence, so `seq_id` is a constant table of pointers."""

    def __init__(self, size: int) -> None:
        self._token = np.zeros(size, np.int32)
        self._position = np.zeros(size, np.int32)
        self._slot = np.zeros(size, np.int32)
        self._wanted = np.zeros(size, np.int8)
        self._ones = np.ones(size, np.int32)
        self._slot_pointers = self._slot.ctypes.data + 4 * np.arange(size, dtype=np.uintp)
        self._indexes: list[int] = []
        self.struct = llama_cpp.llama_batch(
            token=_pointer(self._token, ctypes.c_int32),
            pos=_pointer(self._position, ctypes.c_int32),
            n_seq_id=_pointer(self._ones, ctypes.c_int32),
            seq_id=_pointer(self._slot_pointers, ctypes.POINTER(ctypes.c_int32)),
            logits=_pointer(self._wanted, ctypes.c_int8),
        )

    def fill(self, entries: Sequence[BatchEntry]) -> None:
        self._indexes.clear()
        start = 0
        for entry in entries:
            end = start + len(entry.tokens)
            self._token[start:end] = entry.tokens
            self._position[start:end] = np.arange(entry.position, entry.position + end - start)
            self._slot[start:end] = entry.slot
            self._wanted[start:end] = 0
            self._wanted[end - entry.samples : end] = 1
            self._indexes.append(end - entry.samples)
            start = end
        self.struct.n_tokens = start

    def index(self, entry: int, place: int) -> int:
        """Where in the batch those tokens of an entry stand that logits were wanted after."""
        return self._indexes[entry] + place


def _pointer(values: np.ndarray, kind: type) -> object:
    return ctypes.cast(values.ctypes.data, ctypes.POINTER(kind))
