"""API keys as rows. `accounts.keys` is what is done with them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone


class Scope(models.TextChoices):
    GENERATE = "generate", "Chat and completions"
    EMBED = "embed", "Embeddings"
    MANAGE = "manage", "Load and unload models, read metrics"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def unrevoked(self) -> Self:
        return self.filter(revoked_at=None)

    def valid(self) -> Self:
        """Those that let somebody in now."""
        unexpired = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        return self.unrevoked().filter(unexpired, owner__is_active=True)


class ApiKey(models.Model):
    """Lets a program act for its owner. Of the key itself only `digest` is kept; `public_id` is the part
    of it that may be shown. `model_ids` empty: all models that its owner may use."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    public_id = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    model_ids = models.JSONField(default=list, blank=True)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name

    @property
    def is_expired(self) -> bool:
        return self.has_expired_at(timezone.now())

    def has_expired_at(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    @property
    def is_valid(self) -> bool:
        return self.revoked_at is None and not self.is_expired and self.owner.is_active

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes

    def allows_model(self, model_id: object) -> bool:
        return not self.model_ids or str(model_id) in self.model_ids

    @property
    def scope_labels(self) -> list[str]:
        return [str(scope.label) for scope in Scope if self.allows(scope)]
