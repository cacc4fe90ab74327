"""The site with a database of its own, for benchmarks of pages. Import before any model."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator


def set_up() -> None:
    """Settings, migrations and static files in a new data folder; call once, first of all."""
    os.environ["MINERVA_DATA_DIR"] = tempfile.mkdtemp(prefix="minerva-benchmark-")
    os.environ["DJANGO_SETTINGS_MODULE"] = "minerva_site.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from minerva_site.preparation import collect_static_files

    call_command("migrate", verbosity=0)
    collect_static_files()


@contextlib.contextmanager
def inference_service() -> Iterator[None]:
    """Pages ask it which models are loaded, so it has to answer."""
    from minerva_site.configuration import configuration
    from minerva_site.programs import inference

    program = inference(configuration())
    configuration().inference_socket.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(program.argv, stderr=subprocess.DEVNULL) as process:
        try:
            while not program.is_ready():
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
