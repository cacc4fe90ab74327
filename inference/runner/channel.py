"""The runner's end of its socket: one thread reads commands, whoever reports writes.

Waking a thread for each token would take time from those that compute. So a report goes out in the
thread that has it, and a step's reports go out together; the writer only comes in when the socket
does not take all at once. If the service stops reading for `MAX_UNSENT_BYTES`, the engine waits too,
rather than fill memory.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable

from inference.messages import RunnerCommand, RunnerReport
from inference.wire import Decoder, WireError, encode_frame, receive_frame

logger = logging.getLogger(__name__)

MAX_UNSENT_BYTES = 1024 * 1024


class Channel:
    """`_unsent` is guarded by `_changed`; while the writer `_is_behind`, nobody else sends."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self._connection = connection
        self._changed = threading.Condition()
        self._unsent = bytearray()
        self._is_behind = False

    def start(self, handle: Callable[[RunnerCommand], None]) -> None:
        """`handle` is called in the reader's thread, and must not wait for anything."""
        threading.Thread(target=self._write, name="writer", daemon=True).start()
        threading.Thread(target=self._read, args=(handle,), name="reader", daemon=True).start()

    def send(self, report: RunnerReport) -> None:
        """From any thread."""
        self.collect(report)
        self.send_collected()

    def collect(self, report: RunnerReport) -> None:
        """To be sent with the next one, or by `send_collected`. From any thread."""
        frame = encode_frame(report)
        with self._changed:
            self._unsent += frame

    def send_collected(self) -> None:
        """From any thread. Waits only for a service that does not read."""
        with self._changed:
            if self._unsent and not self._is_behind:
                del self._unsent[: self._taken_at_once()]
                self._is_behind = bool(self._unsent)
                self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._unsent) <= MAX_UNSENT_BYTES)

    def flush(self, *, timeout: float) -> None:
        """The last words are sent, or `timeout` seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_behind, timeout)

    def _taken_at_once(self) -> int:
        try:
            return self._connection.send(self._unsent, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            _end(error)
            return 0

    def _read(self, handle: Callable[[RunnerCommand], None]) -> None:
        """The service is gone, or speaks another language: then nobody needs this process."""
        decoder: Decoder[RunnerCommand] = Decoder(RunnerCommand)
        try:
            while (command := receive_frame(self._connection, decoder)) is not None:
                handle(command)
        except (WireError, OSError) as error:
            logger.error("lost the service: %s", error)
        except BaseException:
            logger.exception("could not handle a command")
        finally:
            os._exit(0)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_behind)
                unsent, self._unsent = self._unsent, bytearray()
                self._changed.notify_all()
            try:
                self._connection.sendall(unsent)
            except OSError as error:
                _end(error)
            with self._changed:
                self._is_behind = bool(self._unsent)
                self._changed.notify_all()


def _end(error: OSError) -> None:
    logger.error("lost the service: %s", error)
    os._exit(0)
