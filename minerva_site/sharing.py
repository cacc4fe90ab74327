"""Whether other machines of the local network reach this server: said at the start (`--lan`), or by
the switch on the page, which is a file in the data folder.

The page writes the file; `serve` sees it, and starts the web server anew on the other addresses.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import psutil

from minerva_site.configuration import Configuration

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 -- only where somebody switched sharing on
LAN_NAME = "minerva.local"


def switch_file(data_dir: Path) -> Path:
    return data_dir / "shared"


def switch_is_on(data_dir: Path) -> bool:
    return switch_file(data_dir).exists()


def set_switch(data_dir: Path, *, is_on: bool) -> None:
    if is_on:
        switch_file(data_dir).touch(mode=0o600)
    else:
        switch_file(data_dir).unlink(missing_ok=True)


def is_settled_at_start(configuration: Configuration) -> bool:
    """The switch changes nothing then."""
    return configuration.lan is not None or not is_loopback(configuration.host)


def is_shared(configuration: Configuration) -> bool:
    if not is_loopback(configuration.host):
        return True
    if configuration.lan is not None:
        return configuration.lan
    return switch_is_on(configuration.data_dir)


def bound_host(configuration: Configuration) -> str:
    """The address to listen on."""
    is_lan = is_loopback(configuration.host) and is_shared(configuration)
    return EVERY_ADDRESS if is_lan else configuration.host


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def machine_addresses(*families: socket.AddressFamily) -> list[str]:
    """Every address of this machine. Link-local IPv6 has no form that a URL could hold."""
    found = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in (families or (socket.AF_INET, socket.AF_INET6))
    ]
    return [address for address in found if "%" not in address]


def lan_addresses(configuration: Configuration) -> list[str]:
    """Under which others reach it, the likeliest first; none while it is not shared."""
    host = bound_host(configuration)
    if is_loopback(host):
        return []
    if host not in (EVERY_ADDRESS, "::"):
        return [host]
    return [one for one in machine_addresses(socket.AF_INET) if not is_loopback(one)]


def base_urls(configuration: Configuration) -> list[str]:
    """What others type: each address, and the name that is announced by multicast DNS."""
    scheme = "https" if configuration.serves_https else "http"
    hosts = lan_addresses(configuration)
    names = [*hosts, LAN_NAME] if hosts else []
    return [f"{scheme}://{bracketed(name)}:{configuration.port}" for name in names]


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address and not address.startswith("[") else address
