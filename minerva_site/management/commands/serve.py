"""The one command: `manage.py serve` prepares everything, starts it, and keeps it running."""

from __future__ import annotations

import contextlib
import io
import os
import socket
from pathlib import Path
from typing import Any

import segno
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from minerva_site import preparation
from minerva_site.arguments import VARIABLES, add_serve_options
from minerva_site.certificate import certificate_files, fingerprint
from minerva_site.child import Program
from minerva_site.configuration import Configuration
from minerva_site.discovery import Announcement
from minerva_site.instance_lock import AlreadyRunning, InstanceLock
from minerva_site.listening import CannotListen, listen
from minerva_site.programs import programs, reachable_address, web
from minerva_site.sharing import base_urls, bound_host, bracketed, set_switch
from minerva_site.sharing_watch import SharingWatch
from minerva_site.supervisor import GaveUp, Supervisor


class Command(BaseCommand):
    help = "Start Minerva, and print the address to open in a browser."

    _listener: socket.socket
    _port: int
    _address: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._announcement = Announcement()

    def add_arguments(self, parser: CommandParser) -> None:
        add_serve_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        configuration = settings.CONFIGURATION
        self.say(f"Minerva keeps its data in {configuration.data_dir}")
        lock = self._locked(configuration.data_dir)
        try:
            self._serve(lock)
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

    def _listen(self, configuration: Configuration, port: int) -> socket.socket:
        try:
            return listen(bound_host(configuration), port)
        except CannotListen as error:
            raise CommandError(str(error)) from None

    def _serve(self, lock: InstanceLock) -> None:
        configuration = settings.CONFIGURATION
        self._listener = self._listen(configuration, configuration.port)
        self._address = self._own_address(configuration)
        lock.describe(f"process {os.getpid()}, {self._address}")
        token = self._prepare()
        self._port = int(self._listener.getsockname()[1])
        # From here on, this process too knows which port it got.
        os.environ[VARIABLES["port"]] = str(self._port)
        supervisor = Supervisor(
            programs(configuration, self._listener),
            folder=settings.BASE_DIR,
            logs_folder=settings.DATA_DIR / "logs",
            environment={**os.environ, "PYTHONUNBUFFERED": "1"},
            say=self.say,
        )
        watch = SharingWatch(
            settings.DATA_DIR, when_changed=lambda: supervisor.replace("web", self._web_anew)
        )
        try:
            supervisor.run(when_ready=lambda: self._announce(token, watch))
        except GaveUp as error:
            raise CommandError(str(error)) from None
        finally:
            watch.stop()
            self._announcement.stop()
            self._listener.close()

    def _web_anew(self) -> Program:
        """The old one has ended, and its socket with it: one port is not listened on twice."""
        self._listener.close()
        configuration = Configuration()
        try:
            self._listener = listen(bound_host(configuration), self._port)
        except CannotListen as error:
            self.say(f"Not shared: {error}")
            set_switch(settings.DATA_DIR, is_on=False)
            self._listener = self._listen(configuration, self._port)
        self._tell_addresses(Configuration())
        return web(self._listener, is_secure=configuration.serves_https)

    def _own_address(self, configuration: Configuration) -> str:
        host, port = reachable_address(self._listener)
        scheme = "https" if configuration.serves_https else "http"
        return f"{scheme}://{bracketed(host)}:{port}/"

    def _prepare(self) -> str | None:
        if num_migrations := preparation.migrate():
            self.say(f"Database brought up to date ({num_migrations} steps)")
        if preparation.collect_static_files():
            self.say("Static files collected")
        return preparation.setup_token()

    def _announce(self, token: str | None, watch: SharingWatch) -> None:
        configuration = Configuration()  # with the port that we got
        self._tell_addresses(configuration)
        watch.start()
        files = certificate_files(configuration)
        if files and not configuration.tls_certificate:
            self.say("The certificate was made here, so browsers warn of it. Its SHA-256 is")
            self.say(f"  {fingerprint(files)}")
        if token:
            self.say("Minerva runs. Create the administrator here; the link works once:")
            self.say(f"  {self._address}setup/?token={token}")
        else:
            self.say(f"Minerva runs: {self._address}")

    def _tell_addresses(self, configuration: Configuration) -> None:
        """Announce them on the network, and print them with a code for the likeliest."""
        self._announcement.start(configuration, port=self._port)
        urls = base_urls(configuration)
        if not urls:
            return
        self.say("Everybody on this network reaches the sign-in page of Minerva, at")
        for url in urls:
            self.say(f"  {url}/")
        if self.stdout.isatty():
            drawn = io.StringIO()
            segno.make_qr(urls[0]).terminal(drawn, compact=True)
            self.say(drawn.getvalue())

    def say(self, line: str) -> None:
        """A terminal that was closed is no reason to stop."""
        with contextlib.suppress(OSError):
            self.stdout.write(line)
            self.stdout.flush()
