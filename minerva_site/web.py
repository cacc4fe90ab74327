"""The web process: `python -m minerva_site.web [--fd N]`.

`serve` opens the listening socket and hands it over as file descriptor N; without one, the
configured address is bound here.
"""

from __future__ import annotations

from inference.lifeline import exit_with_parent

exit_with_parent()

import argparse  # noqa: E402
import asyncio  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from typing import NoReturn  # noqa: E402

from minerva_site.asgi import application  # noqa: E402

# isort: split
# Models can be imported only after the line above.
from chat import recorder, turns  # noqa: E402
from minerva_site.certificate import certificate_files  # noqa: E402
from minerva_site.configuration import configuration  # noqa: E402
from minerva_site.server import LimitedServer  # noqa: E402
from minerva_site.sharing import bound_host  # noqa: E402

logger = logging.getLogger(__name__)
_background: set[asyncio.Task[None]] = set()


def main() -> NoReturn:
    parser = argparse.ArgumentParser(prog="minerva_site.web")
    parser.add_argument("--fd", type=int, help="an open listening socket")
    arguments = parser.parse_args()
    listener = (
        socket.socket(fileno=arguments.fd) if arguments.fd is not None else _bind_configured()
    )
    server = LimitedServer(
        application,
        listener=listener,
        certificate=certificate_files(configuration()),
        when_running=start_reconciling,
        when_stopping=recorder.close,
    )
    server.run()
    end_process()


def start_reconciling() -> None:
    """Runs in the reactor: go on with the answers that an earlier web process was recording."""
    task = asyncio.get_event_loop().create_task(turns.reconcile(), name="reconcile")
    _background.add(task)
    task.add_done_callback(_reconciled)


def _reconciled(task: asyncio.Task[None]) -> None:
    _background.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("reconciling running answers failed", exc_info=error)


def end_process() -> NoReturn:
    """Without taking the interpreter apart: Python crashes when it collects coroutines that are
    left over, and there is nothing more to do for it here.
    """
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _bind_configured() -> socket.socket:
    settings = configuration()
    return socket.create_server((bound_host(settings), settings.port), backlog=1024)


if __name__ == "__main__":
    main()
