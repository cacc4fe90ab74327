"""Who may go on: nobody before the first run is done, nobody with a stale session, and by default
only people who are signed in. A view opts out with Django's `login_not_required`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render, resolve_url
from django.utils.deprecation import MiddlewareMixin
from django_htmx.http import HttpResponseClientRedirect

from accounts.first_run import administrator_exists
from accounts.htmx import shown_page
from accounts.sessions import is_over, touch

ANSWERS_BEFORE_SETUP = ("/setup/", "/healthz", "/readyz", "/csp-report")


class FirstRunMiddleware(MiddlewareMixin):
    """Static files are answered before this one is asked."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.path in ANSWERS_BEFORE_SETUP or SESSION_KEY in request.session:
            return None
        if administrator_exists():
            return None
        return render(request, "accounts/not_set_up.html", status=503)


class SessionLifetimeMiddleware(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        if is_over(request.session):
            logout(request)
        touch(request.session)


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """A fragment request must not be given a sign-in page to put into the middle of another."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseBase:
        if not request.headers.get("HX-Request"):
            return super().handle_no_permission(request, view_func)
        here = shown_page(request)
        query = urlencode({"next": here}) if here else ""
        return HttpResponseClientRedirect(f"{resolve_url('accounts:sign_in')}?{query}")
