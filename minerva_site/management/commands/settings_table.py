"""`manage.py settings_table`: docs/settings.md, made from `minerva_site.configuration`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from minerva_site.settings_table import settings_page

PAGE = Path("docs") / "settings.md"


class Command(BaseCommand):
    help = "Write docs/settings.md from the settings' own descriptions."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say whether it is current")

    def handle(self, *args: Any, **options: Any) -> None:
        page = Path(settings.BASE_DIR) / PAGE
        text = settings_page()
        if not options["check"]:
            page.write_text(text, encoding="utf-8")
            self.stdout.write(f"Wrote {PAGE}.")
        elif not page.exists() or page.read_text(encoding="utf-8") != text:
            raise CommandError(f"{PAGE} is out of date. Run: manage.py settings_table")
        else:
            self.stdout.write(f"{PAGE} is current.")
