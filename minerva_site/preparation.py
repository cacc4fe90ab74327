"""What has to be there before anything starts: database tables, static files, set-up token.

Each step looks at what is there and does only what is missing, so that a second start is quick.
"""

from __future__ import annotations

import hashlib
import os
import secrets

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.first_run import administrator_exists
from minerva_site.data_folder import create_private_file

FINGERPRINT_FILE = "fingerprint"


def migrate() -> int:
    """Bring the database up to date; the number of migrations that were missing."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        call_command("migrate", interactive=False, verbosity=0)
    return len(missing)


def collect_static_files() -> bool:
    """Copy, hash and compress them if any of them changed; whether that was so."""
    record = settings.STATIC_ROOT / FINGERPRINT_FILE
    fingerprint = static_fingerprint()
    if record.exists() and record.read_text() == fingerprint:
        return False
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    record.write_text(fingerprint)
    return True


def static_fingerprint() -> str:
    """Changes when a file is added, removed or written."""
    digest = hashlib.sha256(django.__version__.encode())
    files = [
        (name, storage.path(name)) for finder in get_finders() for name, storage in finder.list([])
    ]
    for name, path in sorted(files):
        status = os.stat(path)
        digest.update(f"{name}\0{path}\0{status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def setup_token() -> str | None:
    """The one-time token of the link that creates the administrator; None once there is one."""
    path = settings.SETUP_TOKEN_FILE
    if administrator_exists():
        path.unlink(missing_ok=True)
        return None
    if not path.exists():
        create_private_file(path, secrets.token_urlsafe(16))
    return str(path.read_text().strip())
