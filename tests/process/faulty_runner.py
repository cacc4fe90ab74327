"""A runner with one fault, which no real engine shows at will: `… faulty_runner FAULT --fd N`.

It loads nothing and then is `silent`, sends `garbage` for an answer, or is `deaf` to SIGTERM and to
the end of its socket.
"""

from __future__ import annotations

import signal
import socket
import sys
import time

from inference.messages import Loaded, LoadModel, RunnerCommand, Start
from inference.wire import Decoder, receive_frame, send_frame


def main(fault: str, descriptor: int) -> None:
    connection = socket.socket(fileno=descriptor)
    decoder = Decoder[RunnerCommand](RunnerCommand)
    if fault == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while (command := receive_frame(connection, decoder)) is not None:
        match command:
            case LoadModel():
                send_frame(connection, Loaded(device="CPU", context_window=2048))
            case Start() if fault == "garbage":
                connection.sendall(b"\xff" * 64)
    while fault == "deaf":
        time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[3]))
