"""Under which names the server may be addressed, and what counts as its own origin.

A browser sends the name it was given in `Host`. Answering to any name would let a foreign page
reach Minerva through a name that it makes point here (DNS rebinding); cookies ignore ports, so
another application on another port of the same machine is foreign as well.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable

from minerva_site.configuration import Configuration
from minerva_site.sharing import (
    EVERY_ADDRESS,
    LAN_NAME,
    bound_host,
    bracketed,
    is_loopback,
    machine_addresses,
)

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_AUTHORITY = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")


def allowed_names(configuration: Configuration) -> list[str]:
    """Names without port, for ALLOWED_HOSTS: loopback, what is bound, and what was configured."""
    names = [*LOOPBACK_NAMES, *_bound_names(configuration)]
    names += [_split(authority)[0] for authority in configuration.allowed_hosts]
    return list(dict.fromkeys(name.lower() for name in names))


def allowed_authorities(configuration: Configuration) -> frozenset[str]:
    """`name:port` in full, as `normal_authority` writes them."""
    names = [*LOOPBACK_NAMES, *_bound_names(configuration)]
    own = {f"{name.lower()}:{configuration.port}" for name in names}
    for authority in configuration.allowed_hosts:
        name, port = _split(authority.lower())
        own.add(f"{name}:{port or configuration.port}")
    return frozenset(own)


def normal_authority(host: str, *, is_secure: bool = False) -> str | None:
    """`Host` as `name:port` in lower case with the port spelt out; None when it is not one."""
    match = _AUTHORITY.fullmatch(host.lower())
    if match is None:
        return None
    return f"{match['name']}:{int(match['port'] or (443 if is_secure else 80))}"


def _split(authority: str) -> tuple[str, str | None]:
    match = _AUTHORITY.fullmatch(authority.lower())
    return (match["name"], match["port"]) if match else (authority, None)


def _bound_names(configuration: Configuration) -> Iterable[str]:
    host = bound_host(configuration)
    if is_loopback(host):
        return ()
    machine = socket.gethostname().lower()
    names = [machine, machine.removesuffix(".local") + ".local", LAN_NAME]
    if host in (EVERY_ADDRESS, "::"):
        return [*names, *map(bracketed, machine_addresses())]
    return [*names, bracketed(host)]
