"""System checks: settings that are dangerous together, and parts that are known to be broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from minerva_site.configuration import Configuration
from minerva_site.sharing import bound_host, is_loopback
from minerva_site.sqlite import is_sound, version_in_use

MAX_SOCKET_PATH_BYTES = 100


@register()
def check_site(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    configuration: Configuration = settings.CONFIGURATION
    return [
        *check_exposure(configuration),
        *check_sqlite(version_in_use()),
        *check_socket_path(configuration),
    ]


def check_exposure(configuration: Configuration) -> list[CheckMessage]:
    if configuration.debug and not is_loopback(bound_host(configuration)):
        return [
            Error(
                "Debug pages show secrets, and this server would be reachable from other machines.",
                hint="Unset MINERVA_DEBUG, or listen on 127.0.0.1.",
                id="minerva.E001",
            )
        ]
    return []


def check_sqlite(version: tuple[int, ...]) -> list[CheckMessage]:
    if is_sound(version):
        return []
    return [
        Warning(
            f"SQLite {'.'.join(map(str, version))} can corrupt a database while it is written to.",
            hint="Use a Python with SQLite 3.51.3 or newer; on Linux install pysqlite3.",
            id="minerva.W001",
        )
    ]


def check_socket_path(configuration: Configuration) -> list[CheckMessage]:
    """Unix sockets have short names: 104 bytes on macOS, 108 on Linux."""
    if len(bytes(configuration.inference_socket)) <= MAX_SOCKET_PATH_BYTES:
        return []
    return [
        Error(
            f"The path of the data folder is too long for a socket in it: {configuration.data_dir}",
            hint="Choose a shorter one with --data-dir or MINERVA_DATA_DIR.",
            id="minerva.E002",
        )
    ]
