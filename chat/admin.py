"""What an administrator sees of conversations: how many, whose, when, and what they cost. Nothing that
was written in them, and so not their titles either, which are made of it.
"""

from __future__ import annotations

from django.contrib import admin

from accounts.read_only_admin import ListOnlyAdmin
from chat.models import Conversation, Message


@admin.register(Conversation)
class ConversationAdmin(ListOnlyAdmin):
    list_display = ("id", "owner", "model", "created_at", "updated_at", "deleted_at")
    list_select_related = ("owner", "model")


@admin.register(Message)
class MessageAdmin(ListOnlyAdmin):
    list_display = (
        "id",
        "role",
        "state",
        "model_name",
        "prompt_tokens",
        "completion_tokens",
        "total_seconds",
        "created_at",
    )
    list_filter = ("role", "state")
