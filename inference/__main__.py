"""`python -m inference`: run the inference service until SIGTERM, SIGINT or the parent's end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from inference.lifeline import exit_with_parent
from inference.service.server import Server, SocketTaken
from inference.service.service import InferenceService
from inference.service.settings import ServiceSettings, parse_settings

logger = logging.getLogger("inference")


def main() -> int:
    exit_with_parent()
    settings = parse_settings(sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(serve(settings))
    except SocketTaken as error:
        logger.error("%s", error)
        return 1
    except OSError as error:
        logger.error("Cannot answer at %s: %s", settings.socket, error)
        return 1
    return 0


async def serve(settings: ServiceSettings) -> None:
    """Answer until a signal comes; then end every generation and every runner."""
    stopped = _on_signal()
    service = InferenceService(settings)
    async with Server(service, settings.socket):
        logger.info("answering socket=%s", settings.socket)
        try:
            await stopped.wait()
        finally:
            await service.shut_down()


def _on_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


if __name__ == "__main__":
    sys.exit(main())
