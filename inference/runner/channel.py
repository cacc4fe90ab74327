"""The runner's end of its socket: one thread reads commands, one writes reports.

A thread that reports never waits for the socket unless the service has stopped reading for
`MAX_UNSENT` reports; then the engine waits too, rather than fill memory.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from queue import Queue

from inference.messages import RunnerCommand, RunnerReport
from inference.wire import Decoder, WireError, receive_frame, send_frame

logger = logging.getLogger(__name__)

MAX_UNSENT = 4096


class Channel:
    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self._connection = connection
        self._unsent: Queue[RunnerReport | None] = Queue(MAX_UNSENT)
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)

    def start(self, handle: Callable[[RunnerCommand], None]) -> None:
        """`handle` is called in the reader's thread, and must not wait for anything."""
        self._writer.start()
        threading.Thread(target=self._read, args=(handle,), name="reader", daemon=True).start()

    def send(self, report: RunnerReport) -> None:
        """From any thread."""
        self._unsent.put(report)

    def flush(self, *, timeout: float) -> None:
        """The last words: nothing is sent after this."""
        self._unsent.put(None)
        self._writer.join(timeout)

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
        try:
            while (report := self._unsent.get()) is not None:
                send_frame(self._connection, report)
        except OSError as error:
            logger.error("lost the service: %s", error)
            os._exit(0)
