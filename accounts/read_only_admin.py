"""Django's admin as Minerva uses it: a look at the rows for administrators, and nothing that could bring
a row into a state that the program never makes. What is to be changed is changed on Minerva's pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import Http404, HttpRequest

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Model]
    _TabularInline = admin.TabularInline[Model, Model]
else:
    _ModelAdmin = admin.ModelAdmin
    _TabularInline = admin.TabularInline


class ReadOnly:
    """Whoever is staff may look, without a permission for each model."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_staff

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, _ModelAdmin):
    """Rows are filtered by what `list_filter` names, and by nothing else: Django would let an address ask
    after any field of a row, and so after those that no page shows."""

    list_filter: ClassVar[tuple[str, ...]] = ()
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup.split("__")[0] in self.list_filter


class ReadOnlyInline(ReadOnly, _TabularInline):
    extra = 0
    can_delete = False


class ListOnlyAdmin(ReadOnlyAdmin):
    """Its rows have no pages of their own."""

    list_display_links = None

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        raise Http404

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        raise Http404
