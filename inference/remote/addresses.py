"""Which addresses a model's server may have. Names are resolved once for each request, and what was
checked is what is connected to, so a name that means something else a moment later changes nothing.

An administrator gives the address, and a server in the same network, or on the same machine, is what
this is for. Refused is what no server of models has: addresses that only mean something on one cable
(where clouds keep the secrets of their machines), and those that are of nobody or of many.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from inference.errors import InvalidRequest, RemoteUnreachable

MAX_URL_LENGTH = 500
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Where clouds tell a machine its secrets, outside of the link-local ranges.
METADATA = frozenset(
    ipaddress.ip_address(one) for one in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)


def checked_base_url(text: str) -> str:
    """Without what stands too much at its end. Raises InvalidRequest."""
    url = text.strip().rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError as error:
        raise _no_address("This is no address.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port:
        raise _no_address("An address begins with http:// or https:// and the name of a machine.")
    if "@" in parts.netloc:
        raise _no_address("The key does not belong into the address. It has a field of its own.")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise _no_address("The address has nothing after its path: no “?” and no “#”.")
    if (
        len(url) > MAX_URL_LENGTH
        or not url.isascii()
        or not url.isprintable()
        or {" ", "\\"} & {*url}
    ):
        raise _no_address("The address has characters that none has, or too many of them.")
    return url


def checked_key(text: str) -> str:
    """Raises InvalidRequest."""
    key = text.strip()
    if len(key) > MAX_URL_LENGTH or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidRequest(
            f"A key has no spaces and no special letters, and {MAX_URL_LENGTH} characters at most. "
            "Copy it again.",
            field="key",
        )
    return key


def resolved(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host that may be connected to, best first. Raises RemoteUnreachable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RemoteUnreachable(
            "The name of the server is not known here. Check its address.", reason="name"
        ) from error
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    allowed = tuple(one for one in addresses if not is_refused(one))
    if not allowed:
        raise RemoteUnreachable(
            "The server's address is one that Minerva does not connect to: link-local, multicast or "
            "of nobody. Give it another one.",
            reason="refused_address",
        )
    return allowed


def is_refused(text: str) -> bool:
    """Of an address as a resolver writes it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return True
    return any(_is_refused(one) for one in (address, *_within(address)))


def _within(address: Address) -> tuple[Address, ...]:
    """IPv4 addresses that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    teredo = address.teredo or ()
    told = [address.ipv4_mapped, address.sixtofour, *teredo]
    if address in NAT64:
        told.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if 1 < int(address) < 2**32:  # an old way to write IPv4 addresses
        told.append(ipaddress.IPv4Address(int(address)))
    return tuple(one for one in told if one is not None)


def _is_refused(address: Address) -> bool:
    if address in METADATA or address.is_link_local or address.is_multicast:
        return True
    # ::1 and what stands for an IPv4 address are "reserved" too.
    is_reserved = isinstance(address, ipaddress.IPv4Address) and address.is_reserved
    return is_reserved or address.is_unspecified or _is_of_this_network(address)


def _is_of_this_network(address: Address) -> bool:
    """0.x.y.z: Linux takes it for this machine."""
    return isinstance(address, ipaddress.IPv4Address) and address.packed[0] == 0


def _no_address(sentence: str) -> InvalidRequest:
    example = "It is like http://10.0.0.7:8000/v1 and ends before /chat/completions."
    return InvalidRequest(f"{sentence} {example}", field="base_url")
