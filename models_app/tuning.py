"""What a model has of its own: how it is loaded, and how it answers unless somebody says otherwise.

Each value stands above the server's. What is None or "" is left to the server, or to the file.
"""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models

from inference.types import ModelSpec, SamplingParams

SMALLEST_WINDOW = 256
MAX_TEMPLATE = 64 * 1024
MAX_SYSTEM_PROMPT = 20_000
LOADING = ("context_window", "gpu_layers", "threads", "max_sequences")
SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens")


def between(least: float, most: float) -> list[Any]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class KVCacheType(models.TextChoices):
    F16 = "f16", "f16: as computed"
    Q8_0 = "q8_0", "q8_0: half the memory"
    Q4_0 = "q4_0", "q4_0: a quarter of the memory, at some cost in quality"


class ModelSettings(models.Model):
    entry = models.OneToOneField("models_app.CatalogEntry", models.CASCADE, related_name="own")
    context_window = models.PositiveIntegerField(
        null=True, blank=True, validators=between(SMALLEST_WINDOW, 1_048_576)
    )
    gpu_layers = models.IntegerField(null=True, blank=True, validators=between(-1, 1000))
    threads = models.PositiveIntegerField(null=True, blank=True, validators=between(0, 512))
    max_sequences = models.PositiveIntegerField(null=True, blank=True, validators=between(1, 64))
    kv_cache_type = models.CharField(max_length=8, blank=True, choices=KVCacheType.choices)
    idle_unload_minutes = models.PositiveIntegerField(
        null=True, blank=True, validators=between(0, 10_080)
    )
    chat_template = models.TextField(blank=True, validators=[MaxLengthValidator(MAX_TEMPLATE)])
    system_prompt = models.TextField(blank=True, validators=[MaxLengthValidator(MAX_SYSTEM_PROMPT)])
    temperature = models.FloatField(null=True, blank=True, validators=between(0, 5))
    top_p = models.FloatField(null=True, blank=True, validators=between(0, 1))
    top_k = models.PositiveIntegerField(null=True, blank=True, validators=between(0, 1_048_576))
    min_p = models.FloatField(null=True, blank=True, validators=between(0, 1))
    repeat_penalty = models.FloatField(null=True, blank=True, validators=between(0.1, 10))
    max_tokens = models.PositiveIntegerField(
        null=True, blank=True, validators=between(1, 1_048_576)
    )

    class Meta:
        verbose_name = verbose_name_plural = "settings of models"

    def __str__(self) -> str:
        return f"settings of {self.entry}"

    def spec_of(self, spec: ModelSpec) -> ModelSpec:
        """With how this model is loaded."""
        own = {name: getattr(self, name) for name in LOADING}
        minutes = self.idle_unload_minutes
        return ModelSpec(
            model_id=spec.model_id,
            name=spec.name,
            path=spec.path,
            kv_cache_type=self.kv_cache_type or None,  # type: ignore[arg-type]
            idle_unload_seconds=None if minutes is None else 60 * minutes,
            chat_template=self.chat_template,
            **own,
        )

    @property
    def sampling(self) -> SamplingParams:
        """How it answers, where nobody says otherwise."""
        own = {name: getattr(self, name) for name in SAMPLING}
        return SamplingParams(**{name: value for name, value in own.items() if value is not None})
