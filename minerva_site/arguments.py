"""What `manage.py` settles before Django's settings are read.

Settings come from the environment, and are read before a command sees its options. So the options
of `serve` that choose settings become environment variables first; this way they also reach every
child process.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import MutableMapping, Sequence

from django.core.exceptions import ImproperlyConfigured

from minerva_site.configuration import configuration

VARIABLES = {
    "host": "MINERVA_HOST",
    "port": "MINERVA_PORT",
    "data_dir": "MINERVA_DATA_DIR",
    "lan": "MINERVA_LAN",
    "https": "MINERVA_HTTPS",
}
PRIVATE_FILES = 0o077


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (MINERVA_HOST)")
    parser.add_argument("--port", help="port to listen on, 0 for a free one (MINERVA_PORT)")
    parser.add_argument("--data-dir", help="where everything is kept (MINERVA_DATA_DIR)")
    parser.add_argument(
        "--lan", action="store_const", const="true", help="for your network too (MINERVA_LAN)"
    )
    parser.add_argument(
        "--https", action="store_const", const="true", help="speak HTTPS (MINERVA_HTTPS)"
    )


def prepare_environment(argv: Sequence[str], environment: MutableMapping[str, str]) -> None:
    """Ends the process with a sentence when a setting is wrong."""
    if argv[1:2] == ["serve"]:
        os.umask(PRIVATE_FILES)  # of this process and all it starts
        export_serve_options(argv[2:], environment)
    try:
        configuration()
    except ImproperlyConfigured as error:
        sys.exit(str(error))


def export_serve_options(words: Sequence[str], environment: MutableMapping[str, str]) -> None:
    """Options that make no sense are left to the command, which explains them."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add_serve_options(parser)
    try:
        options, _ = parser.parse_known_args(words)
    except argparse.ArgumentError:
        return
    for name, variable in VARIABLES.items():
        if (value := getattr(options, name)) is not None:
            environment[variable] = value
