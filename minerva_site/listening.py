"""Opens the socket that the web process listens on, or explains why that is not possible."""

from __future__ import annotations

import errno
import socket
from contextlib import closing

import psutil

BACKLOG = 1024
PORTS_TO_TRY = 100


class CannotListen(Exception):
    """`str` says why, and what to do about it."""


def listen(host: str, port: int) -> socket.socket:
    try:
        return open_listener(host, port)
    except OSError as error:
        raise CannotListen(_explained(error, host, port)) from error


def open_listener(host: str, port: int) -> socket.socket:
    """Raises OSError. Port 0 takes a free one."""
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.create_server((str(address[0]), int(address[1])), family=family, backlog=BACKLOG)


def _explained(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return _taken(host, port)
    if error.errno == errno.EACCES:
        return (
            f"Port {port} is reserved for the system's administrator. "
            f"{_offer(_free_port(host, 8463))}"
        )
    return (
        f"{host} is not an address of this machine ({error.strerror}). Use 127.0.0.1 for this "
        "machine only, or 0.0.0.0 for your network."
    )


def _taken(host: str, port: int) -> str:
    return f"Port {port} is taken by {_holder(port)}. {_offer(_free_port(host, port + 1))}"


def _offer(port: int) -> str:
    return (
        f"Port {port} is free:\n"
        f'  make run ARGS="--port {port}"\n'
        f"  python manage.py serve --port {port}"
    )


def _holder(port: int) -> str:
    """Which program listens there, as far as this user may know."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            is_listener = connection.status == psutil.CONN_LISTEN
            if is_listener and connection.pid and connection.laddr[1:] == (port,):
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another program"


def _free_port(host: str, first: int) -> int:
    for port in (*range(first, min(first + PORTS_TO_TRY, 65536)), 0):
        try:
            with closing(open_listener(host, port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    return 0
