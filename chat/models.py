"""Conversations: each a tree of messages, of which one path from the root to `leaf` is shown."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models

from models_app.answering import AnswerSettings

if TYPE_CHECKING:
    from accounts.models import User


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def owned_by(self, user: User) -> Self:
        return self.filter(owner=user)

    def listed(self) -> Self:
        return self.filter(deleted_at=None)


class Conversation(models.Model):
    """`draft`: text that was refused and waits in the composer; `refusal`: the sentence that says why.
    `was_too_long`: because the chat no longer fits; `drops_oldest`: its person wants to go on all
    the same, without its oldest turns.

    `deleted_at`: can be undone until the row is purged.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations"
    )
    title = models.CharField(max_length=200, blank=True)
    model = models.ForeignKey("models_app.CatalogEntry", models.SET_NULL, null=True, blank=True)
    leaf = models.ForeignKey("Message", models.SET_NULL, null=True, blank=True, related_name="+")
    draft = models.TextField(blank=True)
    refusal = models.CharField(max_length=500, blank=True)
    was_too_long = models.BooleanField(default=False)
    drops_oldest = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True, help_text="time of the last turn")
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ("-updated_at",)
        indexes = (
            models.Index(fields=["owner", "deleted_at", "-updated_at"], name="conversation_list"),
        )

    def __str__(self) -> str:
        return self.title or "New chat"


class NearSettings(AnswerSettings):
    """Of those who have a system prompt behind theirs. `no_system_prompt`: nor that one."""

    no_system_prompt = models.BooleanField(default=False)

    class Meta:
        abstract = True

    @property
    def own_values(self) -> dict[str, Any]:
        return super().own_values | ({"system_prompt": ""} if self.no_system_prompt else {})


class ConversationSettings(NearSettings):
    """How the answers of one chat shall be."""

    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="own")


class PersonSettings(NearSettings):
    """How somebody wants the answers in all chats."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="answer_settings"
    )


class ShareQuerySet(models.QuerySet["Share"]):
    def for_reader(self, user: User) -> Self:
        """What this person may read. Being an administrator gives nothing more."""
        audience = (
            models.Q(group=None) | models.Q(group__user=user) | models.Q(conversation__owner=user)
        )
        return self.filter(audience, conversation__deleted_at=None).distinct()


class Share(models.Model):
    """A conversation that others may read, as it is whenever they look. `group` None: everybody who
    has an account here. Deleting the row takes it back."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.OneToOneField(Conversation, models.CASCADE, related_name="share")
    group = models.ForeignKey("auth.Group", models.CASCADE, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShareQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.conversation} for {self.group or 'everybody'}"


class MessageState(models.TextChoices):
    """Only ever moves forward; everything from DONE on is settled."""

    QUEUED = "queued"
    LOADING = "loading"
    PREFILL = "prefill"
    STREAMING = "streaming"
    DONE = "done"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


RUNNING_STATES = (
    MessageState.QUEUED,
    MessageState.LOADING,
    MessageState.PREFILL,
    MessageState.STREAMING,
)


class MessageQuerySet(models.QuerySet["Message"]):
    def running(self) -> Self:
        return self.filter(state__in=RUNNING_STATES)


class Message(models.Model):
    """One message of the tree. An assistant message's id is also its generation's id.

    `client_id` is made by the browser for a user message: the same one twice is stored once.
    `finish_reason` "length" marks an answer that was cut by the window or `max_tokens`.
    `reasoning`: what the model thought before it answered; later turns don't get to see it.
    """

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="children"
    )
    role = models.CharField(max_length=16, choices=Role)
    state = models.CharField(max_length=16, choices=MessageState, default=MessageState.DONE)
    text = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    reasoning_seconds = models.FloatField(default=0.0)
    num_dropped = models.PositiveIntegerField(
        default=0, help_text="earlier messages that the model did not get to read"
    )
    client_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    model_name = models.CharField(max_length=255, blank=True)
    detour = models.CharField(
        max_length=600, blank=True, help_text="why another model than the chosen one answered"
    )
    finish_reason = models.CharField(max_length=16, blank=True)
    max_tokens = models.PositiveIntegerField(null=True, blank=True, help_text="that were allowed")
    error_code = models.CharField(max_length=64, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    time_to_first_token = models.FloatField(null=True, blank=True, help_text="seconds")
    decode_seconds = models.FloatField(null=True, blank=True)
    total_seconds = models.FloatField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ("created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["conversation", "client_id"], name="same_client_id_is_same_message"
            ),
        )
        indexes = (models.Index(fields=["state"], name="message_state"),)

    def __str__(self) -> str:
        return f"{self.role} {self.id}"

    @property
    def dom_id(self) -> str:
        return f"message-{self.pk}"

    @property
    def is_running(self) -> bool:
        return self.state in RUNNING_STATES

    @property
    def tokens_per_second(self) -> float | None:
        """Speed of decoding: tokens after the first, over the time they took."""
        if self.decode_seconds and self.completion_tokens > 1:
            return (self.completion_tokens - 1) / self.decode_seconds
        return None
