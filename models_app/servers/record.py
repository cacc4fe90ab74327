"""Another server that speaks OpenAI's API, and what it said when it was asked last."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models

from inference.types import RemoteEndpoint
from models_app.sealing import seal, unseal

PURPOSE = b"minerva.servers"
NAME_LENGTH = 100


class RemoteServer(models.Model):
    """`base_url` ends before `/chat/completions`. `secret`: its key, sealed; "": it wants none. `offered`:
    its models as facts of `servers.offer.Offered`. `problem` "": it answered when it was asked last."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    base_url = models.CharField(max_length=500, unique=True)
    secret = models.CharField(max_length=2000, blank=True)
    offered = models.JSONField(default=list)
    problem = models.CharField(max_length=500, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)
    last_checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "remote server"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Empty too if it was sealed with another secret key."""
        return unseal(self.secret, purpose=PURPOSE)

    def keep_key(self, key: str) -> None:
        self.secret = seal(key, purpose=PURPOSE) if key else ""

    def endpoint(self, model: str = "") -> RemoteEndpoint:
        return RemoteEndpoint(
            base_url=self.base_url, model=model, key=self.key, server_name=self.name
        )

    def note_answer(self, offered: list[dict[str, object]], at: datetime) -> None:
        self.offered, self.problem, self.last_checked_at = offered, "", at

    def note_problem(self, problem: str, at: datetime) -> None:
        self.problem, self.last_checked_at = problem[:500], at
