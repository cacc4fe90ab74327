"""The options of `manage.py serve` that choose settings.

Settings come from the environment, and are read before a command sees its options. So these options
become environment variables first; they also reach every child process this way.
"""

from __future__ import annotations

import argparse
from collections.abc import MutableMapping, Sequence

VARIABLES = {"host": "MINERVA_HOST", "port": "MINERVA_PORT", "data_dir": "MINERVA_DATA_DIR"}


def add_serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (MINERVA_HOST)")
    parser.add_argument("--port", help="port to listen on, 0 for a free one (MINERVA_PORT)")
    parser.add_argument("--data-dir", help="where everything is kept (MINERVA_DATA_DIR)")


def export_serve_options(argv: Sequence[str], environment: MutableMapping[str, str]) -> None:
    """Called before Django's settings are imported. Wrong options are left to the command."""
    if argv[1:2] != ["serve"]:
        return
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    add_serve_options(parser)
    try:
        options, _ = parser.parse_known_args(argv[2:])
    except argparse.ArgumentError:
        return
    for name, variable in VARIABLES.items():
        if (value := getattr(options, name)) is not None:
            environment[variable] = value
