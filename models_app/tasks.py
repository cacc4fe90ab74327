"""What the worker does for the catalog."""

from __future__ import annotations

from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from models_app import catalog


@db_periodic_task(crontab(minute="*"))  # type: ignore[untyped-decorator]
def scan_model_folders() -> None:
    catalog.scan()
