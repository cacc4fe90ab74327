"""What is kept of the hub: the token for it, and what its files say of themselves."""

from __future__ import annotations

import msgspec
from django.db import models


class HubToken(models.Model):
    """One row at most. `secret`: encrypted, see `hub.token`."""

    secret = models.CharField(max_length=1000)
    saved_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return "the hub's token"


class RemoteHeader(models.Model):
    """What a GGUF file at the hub says of itself; see `hub.headers`. `facts`: a GGUFHeader as JSON."""

    repository = models.CharField(max_length=200)
    revision = models.CharField(max_length=64)
    family = models.CharField(max_length=255)
    facts = models.TextField()
    read_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["repository", "revision", "family"], name="header_of_a_family"
            ),
        )

    def __str__(self) -> str:
        return f"{self.repository} {self.family}".strip()

    @classmethod
    def keep(cls, repository: str, revision: str, *, family: str, facts: object) -> None:
        """`facts`: what msgspec writes as JSON. In place of what was kept of the same. Of other commits nothing is of use any more."""
        cls.objects.filter(repository=repository).exclude(revision=revision).delete()
        cls.objects.update_or_create(
            repository=repository,
            revision=revision,
            family=family,
            defaults={"facts": msgspec.json.encode(facts).decode()},
        )
