"""Which SQLite library the process uses. Must run before Django or huey imports `sqlite3`.

SQLite before 3.51.3 can corrupt a WAL database when a checkpoint and a commit race. The `pysqlite3`
wheel (Linux) brings a newer library, so it takes the place of an old standard one.
"""

from __future__ import annotations

import sqlite3
import sys
from importlib import import_module
from importlib.util import find_spec

FIRST_SOUND_VERSION = (3, 51, 3)


def use_sound_sqlite() -> None:
    """Put `pysqlite3` in place of a standard library that is too old. Without it, do nothing."""
    if sqlite3.sqlite_version_info >= FIRST_SOUND_VERSION or find_spec("pysqlite3") is None:
        return
    sys.modules["sqlite3"] = import_module("pysqlite3")
    sys.modules["sqlite3.dbapi2"] = import_module("pysqlite3.dbapi2")


def version_in_use() -> tuple[int, ...]:
    """The version of the library that an `import sqlite3` from now on gives."""
    module = import_module("sqlite3")
    return tuple(module.sqlite_version_info)


def is_sound(version: tuple[int, ...]) -> bool:
    """3.52.0 was withdrawn: it has the same fault again."""
    return version >= FIRST_SOUND_VERSION and version != (3, 52, 0)
