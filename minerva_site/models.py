"""What a process writes to show that it works."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """The last time the process `name` did its work. One row a process."""

    name = models.CharField(max_length=32, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.beat_at:%H:%M:%S}"
