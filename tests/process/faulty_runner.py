"""A runner with one fault, which no real engine shows at will: `… faulty_runner FAULT --fd N`.

It loads nothing and then is `silent`, sends `garbage` for an answer, or is `deaf` to SIGTERM and to
the end of its socket. On a machine with `no_gpu` it fails to put layers there, and where it is
`picky` it loads no model with "broken" in its name; both answer whatever they are asked.
"""

from __future__ import annotations

import signal
import socket
import sys
import time

from inference.causes import Cause
from inference.errors import ModelLoadFailed
from inference.messages import Emitted, Loaded, LoadFailed, LoadModel, RunnerCommand, Start
from inference.types import Delta, Finished, FinishReason, Timings, Usage
from inference.wire import Decoder, receive_frame, send_frame

_NO_MEMORY = ModelLoadFailed("There is not enough memory.", cause=Cause.OUT_OF_MEMORY.value)
_DONE = Finished(
    FinishReason.STOP,
    Usage(prompt_tokens=3, completion_tokens=1),
    Timings(time_to_first_token=0, decode=0, total=0),
)


def main(fault: str, descriptor: int) -> None:
    connection = socket.socket(fileno=descriptor)
    decoder = Decoder[RunnerCommand](RunnerCommand)
    if fault == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while (command := receive_frame(connection, decoder)) is not None:
        match command:
            case LoadModel() if _cannot_load(fault, command):
                send_frame(connection, LoadFailed(_NO_MEMORY.info))
                return
            case LoadModel():
                send_frame(connection, Loaded(device="CPU", context_window=2048))
            case Start() if fault == "garbage":
                connection.sendall(b"\xff" * 64)
            case Start() if fault in ("no_gpu", "picky"):
                for event in (Delta("Here.", 1), _DONE):
                    send_frame(connection, Emitted(command.generation_id, event))
    while fault == "deaf":
        time.sleep(60)


def _cannot_load(fault: str, load: LoadModel) -> bool:
    if fault == "no_gpu":
        return load.settings.gpu_layers != 0
    return fault == "picky" and "broken" in load.spec.name


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[3]))
