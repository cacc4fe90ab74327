"""Django's admin within Minerva: one way to sign in, and no page for anybody but staff."""

from __future__ import annotations

from functools import update_wrapper
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.views import sign_out


class MinervaAdminSite(AdminSite):
    """Who is not signed in is sent to sign in, as everywhere; who is and is not staff gets 403."""

    site_header = site_title = "Minerva"
    index_title = "What is in the database"
    site_url = "/"

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        checked = super().admin_view(view, cacheable)

        def for_staff(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not self.has_permission(request):
                raise PermissionDenied
            return checked(request, *args, **kwargs)

        return update_wrapper(for_staff, checked)

    def get_urls(self) -> list[Any]:
        found = super().get_urls()
        for one in found:
            callback: Any = getattr(one, "callback", None)
            if hasattr(callback, "login_url"):
                callback.login_url = None  # the middleware's own way, without a detour
        return found

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Django's own form is not used: the middleware asks for Minerva's before this is called."""
        return redirect("admin:index")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return sign_out(request)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Accounts have pages of their own."""
        raise Http404
