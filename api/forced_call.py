"""Reads the text of a call that had to come, while it comes. Format: see `api.tools`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,\s*"arguments"\s*:\s*')


@dataclass(frozen=True)
class CallBegins:
    index: int
    name: str


@dataclass(frozen=True)
class CallArguments:
    """The next piece of the text of the arguments."""

    index: int
    text: str


CallPart = CallBegins | CallArguments


class ForcedCall:
    """`name` "": the text says which tool it is."""

    def __init__(self, name: str) -> None:
        self._is_wrapped = not name
        self._name = name
        self._has_begun = False
        self._held = ""

    def feed(self, text: str) -> list[CallPart]:
        self._held += text
        parts: list[CallPart] = []
        if not self._has_begun:
            parts = self._begin()
        return [*parts, *self._arguments(self._num_safe())] if self._has_begun else []

    def finish(self) -> list[CallPart]:
        """The text has ended, perhaps before its end."""
        if not self._has_begun:
            return []
        rest = self._held.rstrip()
        if self._is_wrapped:
            rest = rest.removesuffix("}")
        return self._arguments(len(rest.rstrip()))

    def _begin(self) -> list[CallPart]:
        if self._is_wrapped:
            head = _HEAD.match(self._held)
            if head is None:
                return []
            self._name, self._held = head[1], self._held[head.end() :]
        self._has_begun = True
        return [CallBegins(0, self._name)]

    def _num_safe(self) -> int:
        """The last bracket may close what is around the arguments."""
        text = self._held.rstrip()
        return len(text.removesuffix("}").rstrip()) if self._is_wrapped else len(text)

    def _arguments(self, size: int) -> list[CallPart]:
        piece, self._held = self._held[:size], self._held[size:]
        return [CallArguments(0, piece)] if piece else []
