"""The person behind a session, the sessions, the invitations that lead to a new person, and what each
person used and may use."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from typing import Any, Self

from django.contrib.auth.models import AbstractUser, Group
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone


class Role(models.TextChoices):
    """What a person may do here. A viewer reads what others share, and generates nothing."""

    ADMINISTRATOR = "administrator", "Administrator"
    MEMBER = "member", "Member"
    VIEWER = "viewer", "Viewer"


class User(AbstractUser):
    """Signs in with `username`, which is also the name shown. `is_staff`: an administrator.

    `role` is told from `is_staff` and `is_viewer`; set it by `role`, never one of them alone.
    """

    is_viewer = models.BooleanField(default=False)

    class Meta(AbstractUser.Meta):
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(is_staff=True, is_viewer=True), name="one_role_a_person"
            ),
        )

    @property
    def role(self) -> Role:
        if self.is_staff:
            return Role.ADMINISTRATOR
        return Role.VIEWER if self.is_viewer else Role.MEMBER

    @role.setter
    def role(self, role: Role) -> None:
        self.is_staff = self.is_superuser = role == Role.ADMINISTRATOR
        self.is_viewer = role == Role.VIEWER

    @property
    def can_generate(self) -> bool:
        return self.is_active and not self.is_viewer


class Session(AbstractBaseSession):
    """A browser that is signed in. Ending it is deleting the row. `user` None: nobody signed in yet."""

    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="sessions")
    device = models.CharField(max_length=100, blank=True)
    address = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)

    @classmethod
    def get_session_store_class(cls) -> Any:
        from accounts.session_store import SessionStore

        return SessionStore

    @property
    def public_id(self) -> str:
        """Names it on a page. The key itself is as good as a password."""
        return hashlib.sha256(self.session_key.encode()).hexdigest()[:32]


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> Self:
        """Those that somebody can join by: its maker still is an administrator."""
        of_administrators = self.filter(created_by__is_active=True, created_by__is_staff=True)
        return of_administrators.filter(used_at=None, expires_at__gt=timezone.now())


class Invitation(models.Model):
    """Whoever has its link becomes one person here, once. Only the hash of the link's token is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_hash = models.CharField(max_length=64, unique=True)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.MEMBER)
    group = models.ForeignKey(Group, models.SET_NULL, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=100, blank=True)
    created_by = models.ForeignKey(User, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.OneToOneField(
        User, models.SET_NULL, null=True, blank=True, related_name="invitation"
    )

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.note or f"invitation of {self.created_at:%d %b %Y}"

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= timezone.now()


class UsageRecord(models.Model):
    """One request and what it took; never what was said. `key`: the name of the API key it came by; "":
    the chat page."""

    user = models.ForeignKey(User, models.CASCADE, related_name="usage")
    key = models.CharField(max_length=100, blank=True)
    model_name = models.CharField(max_length=255)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0.0)
    has_failed = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (
            models.Index(fields=["user", "created_at"], name="usage_of_user"),
            models.Index(fields=["created_at"], name="usage_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.prompt_tokens + self.completion_tokens} tokens of {self.model_name}"


class QuotaManager(models.Manager["Quota"]):
    # Asked before each answer. To put this together takes Django three times as long as to ask it.
    _OF_USER = """
        SELECT quota.* FROM accounts_quota AS quota
        LEFT JOIN accounts_user_groups AS membership
            ON membership.group_id = quota.group_id AND membership.user_id = %(user)s
        WHERE quota.user_id = %(user)s OR membership.user_id IS NOT NULL
            OR (quota.user_id IS NULL AND quota.group_id IS NULL)
    """

    def of(self, user: User) -> Iterable[Quota]:
        """All of them hold: the tightest decides. One query."""
        return self.raw(self._OF_USER, {"user": user.pk})


class Quota(models.Model):
    """What one person may use within so many hours, at any moment looking back. For `user`, for each
    person of `group`, or for everybody where both are None."""

    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="quotas")
    group = models.ForeignKey(Group, models.CASCADE, null=True, blank=True, related_name="+")
    hours = models.PositiveIntegerField()
    max_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    max_requests = models.PositiveIntegerField(null=True, blank=True)

    objects = QuotaManager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(user=None) | models.Q(group=None), name="quota_of_one_kind"
            ),
            models.CheckConstraint(
                condition=models.Q(max_tokens__isnull=False) | models.Q(max_requests__isnull=False),
                name="quota_of_something",
            ),
        )

    def __str__(self) -> str:
        return f"{self.max_tokens or self.max_requests} in {self.hours} hours"


# Models of other modules of this app, which Django looks for here.
from accounts.key_models import ApiKey as ApiKey  # noqa: E402
