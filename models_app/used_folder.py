"""A folder of models that somebody has on the machine already, and that is used where it is."""

from __future__ import annotations

from django.db import models


class UsedFolder(models.Model):
    """`path`: absolute, without links. Nothing below it is ever written to."""

    path = models.CharField(max_length=4096, unique=True)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("path",)

    def __str__(self) -> str:
        return self.path
