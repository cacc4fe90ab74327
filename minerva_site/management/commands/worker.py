"""The worker process: `manage.py worker`. It runs the jobs of `<app>/tasks.py` until SIGINT."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils.module_loading import autodiscover_modules
from huey.consumer_options import ConsumerConfig
from huey.contrib.djhuey import HUEY


class Command(BaseCommand):
    help = "Run jobs in the background. Started by `manage.py serve`."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        from minerva_site.tasks import start_beating
        from models_app.tasks import give_up_benchmarks, preload_models, take_over_downloads

        autodiscover_modules("tasks")
        config = ConsumerConfig(**settings.HUEY["consumer"])
        config.validate()
        consumer = HUEY.create_consumer(**config.values)
        start_beating()
        take_over_downloads()
        preload_models()
        give_up_benchmarks()
        consumer.run()
