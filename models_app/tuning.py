"""What a model has of its own: how it is loaded, how long it stays, what programs call it, and how
it answers. Each value stands above the server's. What is None or "" is left to the server, or to
the file.
"""

from __future__ import annotations

import msgspec
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models

from inference.types import ModelSpec
from models_app.answering import AnswerSettings, between

SMALLEST_WINDOW = 256
MAX_TEMPLATE = 64 * 1024
MAX_ALIASES = 8
MAX_ALIAS = 100
LOADING = ("context_window", "gpu_layers", "threads", "max_sequences", "batch_tokens")


class KVCacheType(models.TextChoices):
    F16 = "f16", "f16: as computed"
    Q8_0 = "q8_0", "q8_0: half the memory"
    Q4_0 = "q4_0", "q4_0: a quarter of the memory, at some cost in quality"


class FlashAttention(models.TextChoices):
    ON = "on", "on"
    OFF = "off", "off"


def check_aliases(text: str) -> None:
    """Django's validator of `ModelSettings.aliases`."""
    names = text.splitlines()
    if len(names) > MAX_ALIASES:
        raise ValidationError(f"{MAX_ALIASES} names at most; these are {len(names)}.")
    if any(len(name) > MAX_ALIAS or not name.isprintable() for name in names):
        raise ValidationError(f"A name has up to {MAX_ALIAS} characters that can be printed.")


class ModelSettings(AnswerSettings):
    """`aliases`: one a line."""

    entry = models.OneToOneField("models_app.CatalogEntry", models.CASCADE, related_name="own")
    context_window = models.PositiveIntegerField(
        null=True, blank=True, validators=between(SMALLEST_WINDOW, 1_048_576)
    )
    gpu_layers = models.IntegerField(null=True, blank=True, validators=between(-1, 1000))
    threads = models.PositiveIntegerField(null=True, blank=True, validators=between(0, 512))
    max_sequences = models.PositiveIntegerField(null=True, blank=True, validators=between(1, 64))
    batch_tokens = models.PositiveIntegerField(null=True, blank=True, validators=between(32, 4096))
    kv_cache_type = models.CharField(max_length=8, blank=True, choices=KVCacheType.choices)
    flash_attention = models.CharField(max_length=8, blank=True, choices=FlashAttention.choices)
    idle_unload_minutes = models.PositiveIntegerField(
        null=True, blank=True, validators=between(0, 10_080)
    )
    is_pinned = models.BooleanField(default=False)
    is_preloaded = models.BooleanField(default=False)
    chat_template = models.TextField(blank=True, validators=[MaxLengthValidator(MAX_TEMPLATE)])
    aliases = models.TextField(blank=True, validators=[check_aliases])
    is_api_default = models.BooleanField(default=False)
    fallback = models.ForeignKey(
        "models_app.CatalogEntry",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="answers what this model cannot",
    )

    class Meta:
        verbose_name = verbose_name_plural = "settings of models"

    def __str__(self) -> str:
        return f"settings of {self.entry}"

    def spec_of(self, spec: ModelSpec) -> ModelSpec:
        """With how this model is loaded."""
        own = {name: getattr(self, name) for name in LOADING}
        minutes = self.idle_unload_minutes
        return msgspec.structs.replace(
            spec,
            kv_cache_type=self.kv_cache_type or None,
            flash_attention=self.flash_attention or None,
            idle_unload_seconds=None if minutes is None else 60 * minutes,
            is_pinned=self.is_pinned,
            chat_template=self.chat_template,
            **own,
        )
