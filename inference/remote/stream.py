"""The events of a stream (Server-Sent Events), out of bytes of which none is trusted. Pure."""

from __future__ import annotations

from inference.errors import RemoteRefused
from inference.remote.bodies import MAX_BODY_BYTES

MAX_EVENT_BYTES = 1024 * 1024
# And the mark that some put before UTF-8.
SPACE = b" \t\r\n\xef\xbb\xbf"


class EventReader:
    """`feed` gives the data of each event that is whole. A server that answers with one JSON object
    instead has one event, which `finish` gives. Both raise RemoteRefused."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._has_begun = False
        self._is_one_object = False

    def feed(self, part: bytes) -> list[bytes]:
        self._rest += part
        if not self._has_begun:
            self._begin()
        if self._is_one_object:
            _check_size(len(self._rest), most=MAX_BODY_BYTES)
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        _check_size(len(rest))
        return [event for line in lines for event in self._take(line.removesuffix(b"\r"))]

    def finish(self) -> list[bytes]:
        """The connection has ended, maybe before the event had."""
        if self._is_one_object:
            return [bytes(self._rest)]
        events = self._take(bytes(self._rest).removesuffix(b"\r"))
        return [*events, *self._take(b"")]

    def _begin(self) -> None:
        self._rest = self._rest.lstrip(SPACE)
        self._has_begun = bool(self._rest)
        self._is_one_object = self._rest.startswith(b"{")
        if self._rest.startswith(b"<"):
            raise RemoteRefused(
                "The server answered with a web page. Check that its address is the one of its API, "
                "which most often ends in /v1."
            )

    def _take(self, line: bytes) -> list[bytes]:
        if line.startswith(b"data:"):
            data = line[5:].removeprefix(b" ")
            self._size += len(data)
            _check_size(self._size)
            self._data.append(data)
        if line or not self._data:
            return []
        event, self._data, self._size = b"\n".join(self._data), [], 0
        return [event]


def _check_size(size: int, *, most: int = MAX_EVENT_BYTES) -> None:
    if size > most:
        raise RemoteRefused("The server sent more at once than any honest one.")
