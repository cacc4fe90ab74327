"""One row for each model file that was found."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Self

from django.db import models

from inference.gguf_metadata import one_line
from inference.types import ModelSpec

ARRIVING_SECONDS = 60


class CatalogEntryQuerySet(models.QuerySet["CatalogEntry"]):
    def present(self) -> Self:
        return self.filter(is_missing=False, is_projector=False)

    def missing(self) -> Self:
        return self.filter(is_missing=True, is_projector=False, is_guide=False)

    def usable(self) -> Self:
        return self.present().filter(problem="")

    def for_chat(self) -> Self:
        return self.usable().filter(can_chat=True)


class CatalogEntry(models.Model):
    """A model file and what its own metadata says of it. `problem` "": it can be loaded.

    A model in several files is one entry: its first part. Projectors have entries too, so that they
    are not read again and again, but no page lists them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    path = models.CharField(max_length=4096, unique=True)
    name = models.CharField(max_length=255)
    architecture = models.CharField(max_length=64, blank=True)
    num_parameters = models.BigIntegerField(default=0)
    quantization = models.CharField(max_length=32, blank=True)
    context_length = models.PositiveBigIntegerField(default=0, help_text="tokens, as trained")
    size = models.BigIntegerField(default=0, help_text="bytes on disk, of all parts")
    num_files = models.PositiveIntegerField(default=1)
    modified_ns = models.BigIntegerField(
        default=0, help_text="the files' latest mtime or ctime when they were read"
    )
    has_chat_template = models.BooleanField(default=False)
    can_chat = models.BooleanField(default=True, help_text="else it makes embeddings only")
    problem = models.CharField(max_length=500, blank=True)
    is_incomplete = models.BooleanField(default=False, help_text="its end is not here (yet)")
    is_projector = models.BooleanField(default=False)
    is_missing = models.BooleanField(default=False, help_text="was here, is not any more")
    is_default = models.BooleanField(default=False)
    is_guide = models.BooleanField(default=False, help_text="the one that Minerva brings along")
    found_at = models.DateTimeField(auto_now_add=True)

    objects = CatalogEntryQuerySet.as_manager()

    class Meta:
        ordering = ("is_guide", "name", "path")
        constraints = (
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="one_default_model",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_usable(self) -> bool:
        return not self.problem and not self.is_missing and not self.is_projector

    @property
    def is_for_chat(self) -> bool:
        return self.is_usable and self.can_chat

    @property
    def is_arriving(self) -> bool:
        """Its end is missing, but it was written to a moment ago: most likely it is being copied."""
        age_ns = time.time_ns() - self.modified_ns
        return self.is_incomplete and not self.is_missing and age_ns < ARRIVING_SECONDS * 10**9

    @property
    def file_name(self) -> str:
        """Fit to be shown; a name on disk may hold anything but a slash."""
        return one_line(Path(self.path).name, limit=255)

    @property
    def spec(self) -> ModelSpec:
        return ModelSpec(model_id=str(self.id), name=self.name, path=self.path)
