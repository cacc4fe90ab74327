"""The one command: `manage.py serve` prepares everything, starts it, and keeps it running."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from minerva_site import preparation
from minerva_site.arguments import VARIABLES, add_serve_options
from minerva_site.hosts import is_loopback
from minerva_site.instance_lock import AlreadyRunning, InstanceLock
from minerva_site.listening import CannotListen, listen
from minerva_site.programs import programs, reachable_address
from minerva_site.supervisor import GaveUp, Supervisor


class Command(BaseCommand):
    help = "Start Minerva, and print the address to open in a browser."

    def add_arguments(self, parser: CommandParser) -> None:
        add_serve_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        configuration = settings.CONFIGURATION
        self.say(f"Minerva keeps its data in {configuration.data_dir}")
        lock = self._locked(configuration.data_dir)
        try:
            with contextlib.closing(self._listener()) as listener:
                self._serve(listener, lock)
        finally:
            lock.release()

    def _locked(self, folder: Path) -> InstanceLock:
        lock = InstanceLock(folder)
        try:
            lock.acquire()
        except AlreadyRunning as error:
            raise CommandError(
                f"Minerva already runs with this data folder ({error.holder}). "
                "Stop that one, or choose another folder with --data-dir."
            ) from None
        return lock

    def _listener(self) -> socket.socket:
        try:
            return listen(settings.CONFIGURATION.host, settings.CONFIGURATION.port)
        except CannotListen as error:
            raise CommandError(str(error)) from None

    def _serve(self, listener: socket.socket, lock: InstanceLock) -> None:
        address = "http://{}:{}/".format(*_bracketed(*reachable_address(listener)))
        lock.describe(f"process {os.getpid()}, {address}")
        token = self._prepare()
        port = str(listener.getsockname()[1])
        supervisor = Supervisor(
            programs(settings.CONFIGURATION, listener),
            folder=settings.BASE_DIR,
            logs_folder=settings.DATA_DIR / "logs",
            environment={**os.environ, VARIABLES["port"]: port, "PYTHONUNBUFFERED": "1"},
            say=self.say,
        )
        try:
            supervisor.run(when_ready=lambda: self._announce(address, token))
        except GaveUp as error:
            raise CommandError(str(error)) from None

    def _prepare(self) -> str | None:
        if num_migrations := preparation.migrate():
            self.say(f"Database brought up to date ({num_migrations} steps)")
        if preparation.collect_static_files():
            self.say("Static files collected")
        return preparation.setup_token()

    def _announce(self, address: str, token: str | None) -> None:
        if token:
            self.say("Minerva runs. Create the administrator here; the link works once:")
            self.say(f"  {address}setup/?token={token}")
        else:
            self.say(f"Minerva runs: {address}")
        if not is_loopback(settings.CONFIGURATION.host):
            self.say("Other machines reach it under this machine's name or address and that port.")

    def say(self, line: str) -> None:
        """A terminal that was closed is no reason to stop."""
        with contextlib.suppress(OSError):
            self.stdout.write(line)
            self.stdout.flush()


def _bracketed(host: str, port: int) -> tuple[str, int]:
    return (f"[{host}]" if ":" in host else host), port
