"""Raw text to the text that is rendered: one kind of line end, no control characters."""

from __future__ import annotations

import re

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class SourceCleaner:
    """Cleans text that arrives in pieces; the result does not depend on where it was cut."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        """A carriage return at the end is held: it may be the first half of a line end."""
        text = self._held + piece
        self._held = "\r" if text.endswith("\r") else ""
        return _clean(text.removesuffix("\r"))

    def finish(self) -> str:
        held, self._held = self._held, ""
        return _clean(held)


def _clean(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _LONE_SURROGATE.sub("\ufffd", _UNWANTED.sub("", text))
