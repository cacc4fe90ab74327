"""Daphne with limits: what stock Daphne lets any client do to memory, disk and shutdown.

Importing this module installs Twisted's reactor: only `minerva_site.web` does.

1. A body is counted as it arrives and refused with 413 at once. Stock Daphne reads all of it, to
   disk and then to memory, before the application can say no.
2. Headers, connections in all and connections from one address have a cap.
3. The listening socket is given to us open, so that it survives our own restart.
4. A client that does not read is let go, rather than what is written for it kept in memory.
5. Shutdown tells every websocket "restarting" and does not wait for ever for an application.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from OpenSSL import SSL
from twisted.internet import defer, reactor
from twisted.logger import formatEvent, globalLogBeginner
from twisted.web.http import HTTPChannel

from minerva_site.certificate import CertificateFiles
from minerva_site.limits import (
    API_PATHS,
    DISCARD_SECONDS,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_OF_ADDRESS,
    MAX_HEADER_BYTES,
    MAX_HEADER_COUNT,
    MAX_UNSENT_BYTES,
    SERVICE_RESTART,
    SHUTDOWN_SECONDS,
    STUCK_SECONDS,
    WATCHDOG_SECONDS,
    WEBSOCKET_MESSAGE_LIMIT,
    body_limit,
    discard_limit,
    first_byte_seconds,
)
from minerva_site.refusal_page import api_error_of

logger = logging.getLogger(__name__)


class LimitedChannel(HTTPChannel):
    """One connection. After a refusal it reads on for a moment and throws away what comes:
    closing at once would reset the connection, and the client would never see our answer.
    """

    maxHeaders = MAX_HEADER_COUNT
    totalHeadersSize = MAX_HEADER_BYTES
    _num_discarded: int | None = None
    _full_since: float | None = None
    _num_unsent = 0

    def pauseProducing(self) -> None:
        """The client takes no more for now. Said with every write until it does again."""
        super().pauseProducing()
        if self._full_since is None:
            self._full_since, self._num_unsent = time.monotonic(), 0

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self._full_since = None

    def is_stuck(self, size: int) -> bool:
        """Asked before `size` more bytes are written: it has not taken any for long, or is far behind."""
        if self._full_since is None:
            return False
        self._num_unsent += size
        is_long = time.monotonic() - self._full_since > STUCK_SECONDS
        return is_long or self._num_unsent > MAX_UNSENT_BYTES

    def requested_path(self) -> bytes:
        path: bytes = self._path
        return path

    def refuse(self, status: bytes, sentence: bytes) -> None:
        """Answer now, in the middle of a request, and be done with this connection."""
        if self._num_discarded is not None:
            return
        self._num_discarded = 0
        body = sentence + b"\n"
        kind = b"text/plain; charset=utf-8"
        if self.requested_path().startswith(API_PATHS):
            kind = b"application/json"
            body = api_error_of(sentence.decode(), "request_too_large")
        self.transport.write(
            b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n"
            b"Content-Type: " + kind + b"\r\nX-Content-Type-Options: nosniff\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        self.transport.loseWriteConnection()
        reactor.callLater(DISCARD_SECONDS, self.transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        if self._num_discarded is None:
            super().dataReceived(data)
            return
        self._num_discarded += len(data)
        if self._num_discarded > discard_limit(self.requested_path()):
            self.transport.abortConnection()

    def allContentReceived(self) -> None:
        """What was read along with the refused part must not be taken for a request."""
        if self._num_discarded is None:
            super().allContentReceived()

    def _send100Continue(self) -> None:
        if self._num_discarded is None:
            super()._send100Continue()

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        self.factory.connection_ended(self.transport.getPeer())


class LimitedRequest(WebRequest):
    _num_received = 0

    def gotLength(self, length: int | None) -> None:
        is_too_large = length is not None and length > self._limit()
        super().gotLength(0 if is_too_large else length)
        if is_too_large:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self._num_received += len(data)
        if self._num_received > self._limit():
            self._refuse()
        else:
            super().handleContentChunk(data)

    def _limit(self) -> int:
        return body_limit(self.channel.requested_path())

    def _refuse(self) -> None:
        self.channel.refuse(
            b"413 Content Too Large", b"This is larger than Minerva accepts here. Nothing was kept."
        )

    def handle_reply(self, message: dict[str, Any]) -> None:
        channel = self.channel
        if channel is not None and channel.is_stuck(len(message.get("body", b""))):
            channel.transport.abortConnection()
            return
        if self.method == b"HEAD":  # Twisted itself keeps back the first piece of a stream only
            message = {**message, "body": b""}
        super().handle_reply(message)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """What Daphne itself has to say, without its name and its inline style."""
        headers = [
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"X-Content-Type-Options", b"nosniff"),
            (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
        ]
        if self._response_started:
            self.channel.transport.abortConnection()  # the client must not take it for whole
            return
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": f"{body}\n".encode()})

    def handle_exception(self, exception: BaseException) -> None:
        self.basic_error(
            500,
            b"Internal Server Error",
            "Something went wrong in Minerva. Try again; the log of the web process has the cause.",
        )

    def check_timeouts(self) -> None:
        """An answer may go on for long, but it has to begin."""
        if not self._response_started and self.duration() > first_byte_seconds(self.uri):
            self.basic_error(503, b"Service Unavailable", "This took too long. Try again.")


class LimitedFactory(HTTPFactory):
    protocol = LimitedChannel

    def __init__(self, server: LimitedServer) -> None:
        super().__init__(server)
        self._connections: Counter[str] = Counter()

    def buildProtocol(self, addr: Any) -> LimitedChannel | None:
        """None: the connection is closed without a word."""
        if self._is_full(addr.host):
            return None
        self._connections[addr.host] += 1
        channel: LimitedChannel = super().buildProtocol(addr)
        channel.requestFactory = LimitedRequest
        return channel

    def connection_ended(self, addr: Any) -> None:
        self._connections[addr.host] -= 1
        if self._connections[addr.host] <= 0:
            del self._connections[addr.host]

    def _is_full(self, host: str) -> bool:
        return (
            self._connections.total() >= MAX_CONNECTIONS
            or self._connections[host] >= MAX_CONNECTIONS_OF_ADDRESS
        )


class CountedWebSocket(WebSocketProtocol):
    """An upgraded connection: from the upgrade on, its channel hears nothing of it any more."""

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        self.factory.server_class.http_factory.connection_ended(self.transport.getPeer())


class CountedWebSocketFactory(WebSocketFactory):
    protocol = CountedWebSocket


class LimitedServer(Server):
    """Serves `application` on an open listening socket until SIGTERM or SIGINT. `when_shutting_down` is
    called before connections are closed, `when_stopping` behind that."""

    def __init__(
        self,
        application: Any,
        *,
        listener: socket.socket,
        certificate: CertificateFiles | None = None,
        when_running: Callable[[], None],
        when_shutting_down: Callable[[], None],
        when_stopping: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(
            application,
            endpoints=["inherited"],
            server_name="minerva",
            websocket_connect_timeout=5,
            websocket_handshake_timeout=5,
            websocket_max_message_size=WEBSOCKET_MESSAGE_LIMIT,
            websocket_max_frame_size=WEBSOCKET_MESSAGE_LIMIT,
            ping_interval=20,
            ping_timeout=20,
            application_close_timeout=5,
        )
        self._listener = listener
        self._certificate = certificate
        self._when_running = when_running
        self._when_shutting_down = when_shutting_down
        self._when_stopping = when_stopping

    def run(self) -> None:
        """What `Server.run` does, with our factories and our socket."""
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = LimitedFactory(self)
        self.ws_factory = CountedWebSocketFactory(self, server=self.server_name)
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            # Daphne's own check looks at the name only; ours is in `minerva_site.gate`.
            allowNullOrigin=True,
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
        )
        globalLogBeginner.beginLoggingTo(
            [_to_logging], redirectStandardIO=False, discardBuffer=True
        )
        asyncio.set_event_loop(reactor._asyncioEventloop)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        self._listener.setblocking(False)
        factory = _with_tls(self.http_factory, self._certificate)
        reactor.adoptStreamPort(self._listener.fileno(), self._listener.family, factory)
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        reactor.callWhenRunning(self._when_running)
        reactor.run(installSignalHandlers=True)

    def kill_all_applications(self) -> defer.Deferred[Any]:
        _end_process_after(WATCHDOG_SECONDS)
        self._when_shutting_down()
        for protocol in self.connections:
            if isinstance(protocol, WebSocketProtocol) and protocol.state == protocol.STATE_OPEN:
                # `sendClose` lets applications use only some codes, and this is not one of them.
                protocol.sendCloseFrame(code=SERVICE_RESTART)
        applications = [
            details["application_instance"]
            for details in self.connections.values()
            if "application_instance" in details
        ]
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._wound_up(applications)))

    async def _wound_up(self, applications: list[asyncio.Future[None]]) -> None:
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                for application in applications:
                    application.cancel()
                await asyncio.gather(*applications, return_exceptions=True)
                await self._when_stopping()
        except Exception:
            logger.exception("the shutdown was not clean")


def _with_tls(factory: HTTPFactory, files: CertificateFiles | None) -> Any:
    if files is None:
        return factory
    from twisted.internet.ssl import DefaultOpenSSLContextFactory
    from twisted.protocols.tls import TLSMemoryBIOFactory

    context = DefaultOpenSSLContextFactory(
        str(files.key), str(files.certificate), sslmethod=SSL.TLS_SERVER_METHOD
    )
    context.getContext().set_min_proto_version(SSL.TLS1_2_VERSION)
    context.getContext().use_certificate_chain_file(str(files.certificate))
    return TLSMemoryBIOFactory(context, False, factory)


def _end_process_after(seconds: float) -> None:
    """Whatever holds up the shutdown: a thread without a daemon flag, an endless `finally`."""
    watchdog = threading.Timer(seconds, os._exit, args=(1,))
    watchdog.daemon = True
    watchdog.start()


def _to_logging(event: dict[str, Any]) -> None:
    """Twisted's own messages: only failures are of interest to an operator."""
    failure = event.get("log_failure")
    if failure is not None:
        logger.error(
            "%s",
            formatEvent(event),
            exc_info=(failure.type, failure.value, failure.getTracebackObject()),
        )
