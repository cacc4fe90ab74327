from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.models import User
from accounts.read_only_admin import ReadOnlyAdmin


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """Without the hash of the password."""

    list_display = ("username", "is_staff", "is_active", "last_login", "date_joined")
    list_filter = ("is_staff", "is_active")
    search_fields = ("username",)
    fields = (
        "username",
        "email",
        "is_staff",
        "is_superuser",
        "is_active",
        "last_login",
        "date_joined",
    )


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin):
    list_display = ("name",)
    fields = ("name",)
